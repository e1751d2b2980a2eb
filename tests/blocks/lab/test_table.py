"""Tables as instruments and spreadsheets write them: what is read, and what is refused with its line."""

import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from cosim.blocks.lab.table import Cell, CsvForm, number_in, read_table
from cosim.errors import CosimError


def written(folder: Path, content: str | bytes, name: str = "sweep.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def numbers(path: Path, column: str | int, form: CsvForm) -> list[Decimal | None]:
    cells = read_table(path, form).column(column, toml=Path("x.toml"), key="columns.x.column")
    return [number_in(cell, form) for cell in cells]


WAYS = [
    ("V (mV),I\n1.5,2\n-2e1,\n", {}),
    ("V (mV);I\n1,5;2\n-2e1;\n", {"delimiter": ";", "decimal": ","}),
    ("V (mV)\tI\n1.5\t2\n-2e1\t\n", {"delimiter": "tab"}),
    ("\ufeffV (mV),I\r\n1.5,2\r\n\r\n-2e1,\r\n", {}),
    ("Keithley 4200\nsweep 7\nV (mV),I\nmV,uA\n# a pause\n1.5,2\n-2e1,\n,\n", {"skip_lines": 2, "header_lines": 2}),
    ('% made by hand\n"V (mV)", I \n"1.5", 2\n -2e1 ,n/a\n', {"comment": "%", "missing": ["n/a"]}),
    ("V (mV),I\n1.5,2\n-2e1,\n".encode("utf-16"), {"encoding": "utf-16"}),
]


@pytest.mark.parametrize(("content", "form"), WAYS)
def test_every_way_of_writing_gives_the_same_numbers(tmp_path: Path, content: str | bytes, form: dict) -> None:
    path = written(tmp_path, content)
    assert numbers(path, "V (mV)", CsvForm(**form)) == [Decimal("1.5"), Decimal("-20")]
    assert numbers(path, "I", CsvForm(**form)) == [Decimal(2), None]
    assert numbers(path, 2, CsvForm(**form)) == [Decimal(2), None]


def test_without_a_header_columns_have_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, "1.5   2\n\n-20 \t 3\n", "sweep.dat")
    form = CsvForm(header_lines=0, delimiter="space")
    assert numbers(path, 1, form) == [Decimal("1.5"), Decimal(-20)]
    assert numbers(path, 2, form) == [Decimal(2), Decimal(3)]


def test_the_line_is_that_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "# first\nV,I\n\n1,2\n# more\n3,4\n")
    assert [cell.line for cell in read_table(path, CsvForm()).column("V", toml=path, key="k")] == [4, 6]


FAULTS = [
    ("", {}, "this file is empty"),
    ("\n# nothing\n\n", {}, "this file is empty"),
    ("V,I\n", {}, "no measured line"),
    ("V,I\n1,2\n3\n", {}, "line 3: 1 cells, and 2 columns"),
    ("V,I\n1,5,2\n", {}, "line 2: 3 cells, and 2 columns; is ',' between the cells and '.' the decimal mark?"),
    (b"V,I\n1,\xff\xfe\n", {}, "not text in the encoding 'utf-8-sig'"),
    (b"V,I\n1,\x00\n", {}, "not a text file"),
    ('V,I\n1,"2\n', {}, "not CSV"),
]


@pytest.mark.parametrize(("content", "form", "says"), FAULTS)
def test_a_faulty_table_is_named_with_its_line(tmp_path: Path, content: str | bytes, form: dict, says: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(CosimError) as caught:
        read_table(path, CsvForm(**form))
    assert caught.value.file == str(path)
    assert says in str(caught.value)


def test_a_missing_table(tmp_path: Path) -> None:
    with pytest.raises(CosimError, match=r"sweep\.csv: cannot read this file: No such file"):
        read_table(tmp_path / "sweep.csv", CsvForm())


@pytest.mark.parametrize("text", ["nan", "inf", "-Inf", "1 000", "1.000,5", "0x10", "1e", "--", "1_000", "٣", "1.5 V"])
@pytest.mark.parametrize("decimal", [".", ","])
def test_what_is_no_finite_number_is_refused(text: str, decimal: str) -> None:
    form = CsvForm(decimal=decimal, delimiter=";")
    with pytest.raises(CosimError) as caught:
        number_in(Cell(text, Path("a.csv"), 7, "I"), form)
    assert str(caught.value).startswith(f"a.csv: key 'I': value '{text}': line 7: not a finite number")
    assert "missing" in str(caught.value.allowed)


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ("Current", "no such column. Did you mean 'current'?"),
        ("V", "2 columns of sweep.csv have this name; take the column's number. Allowed: 1, 3."),
        (0, "no such column"),
        (4, "no such column"),
    ],
)
def test_a_wrong_column_is_the_descriptions_fault(tmp_path: Path, column: str | int, says: str) -> None:
    table = read_table(written(tmp_path, "V,current,V\n1,2,3\n"), CsvForm())
    with pytest.raises(CosimError) as caught:
        table.column(column, toml=Path("lab.toml"), key="columns.voltage.column")
    assert (caught.value.file, caught.value.key) == ("lab.toml", "columns.voltage.column")
    assert says in str(caught.value)


@pytest.mark.parametrize("form", [{"delimiter": ";;"}, {"decimal": "'"}, {"decimal": ","}, {"encoding": "utf-9"}])
def test_a_form_that_cannot_be(form: dict) -> None:
    with pytest.raises(ValueError):
        CsvForm(**form)


def workbook(path: Path, sheets: dict[str, str]) -> Path:
    """A minimal .xlsx: sheet name -> XML of its rows."""
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    with zipfile.ZipFile(path, "w") as archive:
        names = "".join(f'<sheet name="{name}" r:id="r{n}"/>' for n, name in enumerate(sheets))
        archive.writestr("xl/workbook.xml", f'<workbook {main} xmlns:r="{office}"><sheets>{names}</sheets></workbook>')
        # Parts need not be in the order of the sheets.
        targets = "".join(
            f'<Relationship Id="r{n}" Target="worksheets/sheet{len(sheets) - n}.xml"/>' for n in range(len(sheets))
        )
        archive.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{package}">{targets}</Relationships>')
        archive.writestr(
            "xl/sharedStrings.xml", f"<sst {main}><si><t>V</t></si><si><r><t>I </t></r><r><t>uA</t></r></si></sst>"
        )
        for n, rows in enumerate(sheets.values()):
            text = f"<worksheet {main}><sheetData>{rows}</sheetData></worksheet>"
            archive.writestr(f"xl/worksheets/sheet{len(sheets) - n}.xml", text)
    return path


ROWS = (
    '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>'
    '<row r="2"><c r="A2"><v>1.4999999999999979E-2</v></c><c r="B2"><v>2</v></c></row>'
    '<row r="4"><c r="B4" t="inlineStr"><is><t>3</t></is></c></row>'
    '<row r="5"><c r="A5"><v>0.5</v></c></row>'
)


def test_a_sheet_of_a_workbook(tmp_path: Path) -> None:
    path = workbook(tmp_path / "book.xlsx", {"notes": "", "3b": ROWS})
    table = read_table(path, CsvForm(), "3b")
    cells = table.column("I uA", toml=path, key="k")
    assert [(cell.line, cell.text) for cell in cells] == [(2, "2"), (4, "3"), (5, "")]
    voltage = table.column("V", toml=path, key="k")
    assert number_in(voltage[0], CsvForm()) == Decimal("0.014999999999999979")
    assert number_in(voltage[1], CsvForm()) is None


@pytest.mark.parametrize(
    ("sheet", "says"), [(None, "several sheets; name one. Allowed: notes, 3b."), ("3c", "no such sheet")]
)
def test_a_sheet_that_is_not_there(tmp_path: Path, sheet: str | None, says: str) -> None:
    path = workbook(tmp_path / "book.xlsx", {"notes": "", "3b": ROWS})
    with pytest.raises(CosimError) as caught:
        read_table(path, CsvForm(), sheet)
    assert (caught.value.file, caught.value.key) == (str(path), "sheet")
    assert says in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"V,I\n1,2\n", b"PK\x03\x04broken"])
def test_a_workbook_that_is_none(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CosimError, match=r"not an \.xlsx workbook"):
        read_table(written(tmp_path, content, "book.xlsx"), CsvForm())
