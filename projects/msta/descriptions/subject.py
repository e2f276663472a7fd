"""What the classes are classes of: human actions, machines, animals, camera motion, or your own."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..spelling import did_you_mean
from .file import load_json
from .schema import DescriptionError

SUBJECTS_DIR = Path(__file__).resolve().parents[1] / 'data' / 'subjects'
DEFAULT_SUBJECT = 'human_actions'

Text = Annotated[str, Field(min_length=1)]
Pair = Annotated[list[Text], Field(min_length=2, max_length=2)]


class Example(BaseModel):
    """A good answer with two descriptions of each kind."""

    model_config = ConfigDict(extra='forbid')

    spatial: Pair
    temporal: Pair


class Subject(BaseModel):
    """The words of the prompt that depend on the kind of classes.

    Attributes:
        about: what is described, as in "descriptions of human actions".
        noun: what one class is: "action".
        nouns: its plural.
        visible: what of it a camera can see.
        aspects: what a spatial description may be about.
        course: what the temporal descriptions follow.
        vague: examples of what fits many classes, in quotation marks.
        unseen: what must not be described.
        instead: what to describe where a name has "something" for an object.
        example: the name of a class that is not in the data set.
        phrases: its descriptions as phrases.
        sentences: its descriptions as whole sentences.
    """

    model_config = ConfigDict(extra='forbid', frozen=True)

    about: Text
    noun: Text
    nouns: Text
    visible: Text
    aspects: Text
    course: Text
    vague: Text
    unseen: Text
    instead: Text
    example: Text
    phrases: Example
    sentences: Example

    def words(self) -> dict[str, str]:
        """Return the fields that are put into the templates, safe for a ``str.format`` after it."""
        words = {key: value for key, value in self if isinstance(value, str)}
        words['Noun'] = self.noun[:1].upper() + self.noun[1:]
        return {key: value.replace('{', '{{').replace('}', '}}') for key, value in words.items()}


def shipped_subjects() -> list[str]:
    """Return the names of the subjects that come with this package, sorted."""
    return sorted(path.stem for path in SUBJECTS_DIR.glob('*.json'))


def read_subject(source: str | Path = DEFAULT_SUBJECT) -> Subject:
    """Read a subject: the name of a shipped one, or a JSON file with the fields of ``Subject``.

    Raises:
        DescriptionError: neither of the two, or a file with other fields.
    """
    path = Path(source)
    if str(source) in shipped_subjects():
        path = SUBJECTS_DIR / f'{source}.json'
    elif not path.suffix and not path.is_file():
        raise DescriptionError(
            f'no subject {str(source)!r}{did_you_mean(source, shipped_subjects())}: give one of '
            f'{", ".join(shipped_subjects())}, or a JSON file with the fields of '
            f'{SUBJECTS_DIR / DEFAULT_SUBJECT}.json'
        )
    try:
        return Subject.model_validate(load_json(path, 'file of a subject'))
    except ValidationError as error:
        problems = [f'{".".join(map(str, each["loc"]))}: {each["msg"]}' for each in error.errors()]
        raise DescriptionError(
            f'{path} cannot be used as a subject: {"; ".join(problems[:5])}; its fields are '
            f'{", ".join(Subject.model_fields)}, as in {SUBJECTS_DIR / DEFAULT_SUBJECT}.json'
        ) from None
