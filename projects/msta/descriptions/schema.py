"""What a description file holds, and what makes one unusable."""

import statistics
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue, model_validator

FORMAT: Literal['msta-descriptions-1'] = 'msta-descriptions-1'


class DescriptionError(ValueError):
    """Descriptions that cannot be used with the given classes; the message names the class."""


class DescriptionWarning(UserWarning):
    """Descriptions that can be used, though not quite as they are written."""


class Descriptions(BaseModel):
    """Descriptions of K classes; entry i of every list belongs to class i.

    Attributes:
        names: the K class names.
        spatial: for each class, sentences about its static look.
        temporal: for each class, sentences about its steps, in order.
        meta: how they were made: model, prompt, date, token usage.
    """

    model_config = ConfigDict(extra='forbid')

    names: list[str]
    spatial: list[list[str]]
    temporal: list[list[str]]
    meta: dict[str, JsonValue] = {}

    @model_validator(mode='after')
    def _lists_belong_together(self) -> 'Descriptions':
        counts = (len(self.names), len(self.spatial), len(self.temporal))
        if len(set(counts)) > 1:
            raise ValueError(
                f'{counts[0]} names, {counts[1]} spatial and {counts[2]} temporal entries: '
                'each class needs one of each'
            )
        return self


class ClassRecord(BaseModel):
    """One class in a description file."""

    model_config = ConfigDict(extra='forbid')

    name: str
    spatial: list[str]
    temporal: list[str]


class DescriptionFile(BaseModel):
    """The file form: one record per class, so that names and sentences cannot drift apart."""

    model_config = ConfigDict(extra='forbid')

    format: Literal['msta-descriptions-1'] = FORMAT
    meta: dict[str, JsonValue] = {}
    classes: list[ClassRecord]

    @classmethod
    def pack(cls, descriptions: Descriptions) -> 'DescriptionFile':
        columns = (descriptions.names, descriptions.spatial, descriptions.temporal)
        return cls(
            meta=descriptions.meta,
            classes=[
                ClassRecord(name=name, spatial=spatial, temporal=temporal)
                for name, spatial, temporal in zip(*columns, strict=True)
            ],
        )

    def unpack(self) -> Descriptions:
        return Descriptions(
            names=[record.name for record in self.classes],
            spatial=[record.spatial for record in self.classes],
            temporal=[record.temporal for record in self.classes],
            meta=self.meta,
        )


def find_problems(descriptions: Descriptions) -> list[str]:
    """Return one line for each thing that makes the descriptions unusable, naming the class.

    Every class needs the same number of entries of a kind, as their mean stands for the class,
    and no entry may be empty.
    """
    problems = []
    for kind in ('spatial', 'temporal'):
        column = getattr(descriptions, kind)
        usual = statistics.mode(map(len, column)) if column else 0
        for index, (name, entries) in enumerate(zip(descriptions.names, column, strict=True)):
            where = f'class {index} {name!r}'
            if not entries:
                problems.append(f'{where} has no {kind} descriptions')
            elif len(entries) != usual:
                problems.append(
                    f'{where} has {len(entries)} {kind} descriptions, {usual} are usual in this '
                    'file'
                )
            problems += [
                f'{where}: {kind} description {number} is empty'
                for number, entry in enumerate(entries, 1)
                if not entry.strip()
            ]
    return problems
