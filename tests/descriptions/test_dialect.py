"""What an endpoint accepts is found out by its first request."""


def test_an_endpoint_without_json_schema(tool, server):
    server.behaviour.refused = {'json_schema': 'response_format type is not supported'}
    assert tool().status == 0
    assert server.outcomes() == ['400'] + ['good'] * 4
    assert server.log[-1]['body']['response_format'] == {'type': 'json_object'}


def test_an_endpoint_without_json_mode(tool, server):
    server.behaviour.refused = {'response_format': 'unknown field'}
    assert tool().status == 0
    assert server.outcomes() == ['400', '400'] + ['good'] * 4
    assert 'response_format' not in server.log[-1]['body']


def test_an_endpoint_that_refuses_with_a_500(tool, server):
    server.behaviour.refused = {'response_format': 'grammar cannot be compiled'}
    server.behaviour.refusal_status = 500
    assert tool().status == 0
    # Not after ten retries: the client's first three tries, for each of two modes.
    assert server.outcomes() == ['500'] * 6 + ['good'] * 4


def test_an_endpoint_that_gives_no_reason(tool, server):
    server.behaviour.refused = {'json_schema': 'Bad Request'}
    assert tool().status == 0
    assert server.outcomes() == ['400'] + ['good'] * 4


def test_a_model_that_refuses_temperature_and_max_tokens(tool, server):
    server.behaviour.refused = {
        'temperature': "Unsupported value: 'temperature' does not support 0.3",
        'max_tokens': "Unsupported parameter: 'max_tokens' is not supported, use "
        "'max_completion_tokens' instead.",
    }
    ran = tool('--temperature', '0.3')
    assert ran.status == 0
    assert server.outcomes() == ['400', '400'] + ['good'] * 4
    body = server.log[-1]['body']
    assert 'temperature' not in body and 'max_tokens' not in body
    assert body['max_completion_tokens'] == 2048
    assert body['response_format']['type'] == 'json_schema'


def test_what_is_sent_is_what_was_asked_for(tool, server):
    assert tool('--temperature', '0', '--seed', '5', '--extra', '{"top_p": 0.5}').status == 0
    body = server.log[0]['body']
    assert (body['temperature'], body['seed'], body['top_p']) == (0, 5, 0.5)
    schema = body['response_format']['json_schema']['schema']
    assert schema['properties']['spatial']['minItems'] == 2
