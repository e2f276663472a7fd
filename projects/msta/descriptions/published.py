"""The authors' two-file form: class index as text -> sentences, one file a kind."""

from pathlib import Path

from projects.msta.descriptions.schema import DescriptionError, Descriptions
from projects.msta.files import write_json


def export_published(
    descriptions: Descriptions, folder: str | Path, name: str
) -> tuple[Path, Path]:
    """Write ``<N>_s_description_<name>.json`` and ``<N>_t_description_<name>.json``.

    Raises:
        DescriptionError: no descriptions to write.
    """
    if not descriptions.names:
        raise DescriptionError('there are no descriptions to export')
    paths = []
    for letter, column in (('s', descriptions.spatial), ('t', descriptions.temporal)):
        path = Path(folder) / f'{len(column[0])}_{letter}_description_{name}.json'
        write_json(path, {str(index): texts for index, texts in enumerate(column)}, indent=4)
        paths.append(path)
    return paths[0], paths[1]
