"""What a run will ask and cost, before anything is sent."""

from dataclasses import dataclass

from projects.msta.descriptions.plan import Standing, Task
from projects.msta.tokenizer import count_tokens

# The two roles and the frame of a chat message; measured answers are 11-14 tokens a phrase.
_FRAME_TOKENS = 12
_TOKENS_PER_PHRASE = 14
_JSON_TOKENS = 20


@dataclass(frozen=True)
class Prices:
    """US dollars per million tokens; None where the user gave no price."""

    prompt: float | None = None
    completion: float | None = None

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """Return dollars, or None: a price is never guessed."""
        if self.prompt is None or self.completion is None:
            return None
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6

    def describe(self, prompt_tokens: int, completion_tokens: int) -> str:
        cost = self.cost(prompt_tokens, completion_tokens)
        if cost is None:
            return 'give --price-in and --price-out (USD per million tokens) for a price'
        return f'${cost:.4f}'


def estimate_tokens(tasks: list[Task], standings: dict[str, Standing]) -> tuple[int, int]:
    """Return estimated prompt and completion tokens of asking each task once.

    Prompts are counted with CLIP's own encoding, whose counts for plain English are within some
    ten percent of other models'; reasoning, if a model does any, comes on top.
    """
    prompt = sum(
        _FRAME_TOKENS
        + sum(count_tokens(message['content']) for message in standings[task.key].messages)
        for task in tasks
    )
    completion = sum(_JSON_TOKENS + 2 * task.demand.num * _TOKENS_PER_PHRASE for task in tasks)
    return prompt, completion
