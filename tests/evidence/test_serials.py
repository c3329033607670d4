"""Which texts are serial numbers of one PC, and which are what a maker left in place of one."""

import string

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from provisioner.evidence.serials import guid, number

# As inventory programs and boot firmware list them (github.com/lf-edge/eve pull 6381; fusioninventory-for-glpi issues
# 1339, 2823), and others of each of their kinds.
FILLERS = """
0123456789|123456789|1234567890|Not Applicable|INVALID|Unknown|00000000|XXXXXXXX|SN123456|O.E.M.|Chassis Serial Number
Serial Number|.|-|......|Default string|System Serial Number|To Be Filled By O.E.M.|To be filled by O.E.M|None|N/A|0|OEM
0000000000001|SN0000001|BSN12345678901234567|SSN12345678901234567|SYS-1234567890|MB-1234567890|987654321|0987654321
S/N 123456|ABCDEFGH|123456789ABCDEF|0123456789ABCDEF|12345|1234|AB12|121212121212|XXXX0000|0000-0000-0000|Type1Sn0
$(DEFAULT_STRING)|SerialNumber123|EVAL12345|1111-2222|123456789012345678901234567890|PC123456789|112233445566|ABC123
Asset-1234567890|AssetTag123|Demo1234|EVALUATION123|Generic123|Undefined1|NOTSET1|No 12345|changeme1|TBD12345|DVT12345
xxxx1234|1234XXXX|NNNNNNN|QWERTY12345|A1B2C3D4E5|1A2B3C4D|01020304|0102030405060708|13579|LAPTOP123|ASUS12345
PF000000|2000000001|65535|4294967295|0xFFFFFFFF|0x00001234|01/01/2015|2015-01-01|20200101|Ver 1.0.2
00:00:00:00:00:00|FFFFFFFF|9999999999|Type2 - Board Serial Number|0x00000000|To be filled by 1234|Not Specified
PLACEHOLDER1|Reserved1|Motherboard1|Base Board12|Internal1|Unidentified 1|Engineering1
"""
NUMBERS = """
CZC1234ABC|5CG8250X1B|PF0A1B2C|2UA4321QWE|1H84K13|MXL2345678|00330-80000-00000-AA123|8CC1234567|PC0ABCDE|000123094502
YLK0000153|R90ABCDE|GB2Y0N3|C02ABQDEFGH1|/1H84K13/CN7016361A00AB/|VMware-56 4d 61 3c 1b 2d 7e-11 22 33|S4DB1234|PF3NOT7A
7889-3421-0012-9981-2281-3345-11|DTVF8EK00120001234|NXMSFEK0011230A5B23400|20260B54|SGH523456X|4CE1000721|CZC0000001
"""


@pytest.mark.parametrize("text", ["", " ", None, *FILLERS.replace("\n", "|").strip("|").split("|")])
def test_what_stands_on_a_whole_series_is_no_serial_number(text: str | None) -> None:
    assert number(text) == "" and number(text and f"  {text.upper()} ") == ""


@pytest.mark.parametrize("text", NUMBERS.strip().replace("\n", "|").split("|"))
def test_a_serial_number_is_itself_in_any_case_and_spacing(text: str) -> None:
    assert number(text) == number(f" {text.lower()}  ") == text.lower()


@limits(deadline=None)
@given(st.text(alphabet=string.ascii_uppercase + string.digits + " .-/", max_size=16), st.integers(2, 6))
def test_a_piece_said_again_and_again_is_none(piece: str, times: int) -> None:
    assert len(piece) > 4 or number(piece[:4] * times * 2) == ""


@limits(deadline=None)
@given(st.text(max_size=40))
def test_whatever_stands_there_never_raises(text: str) -> None:
    assert number(text) in ("", " ".join(text.lower().split()))
    assert isinstance(guid(text), str)


@limits(deadline=None)
@given(st.uuids(version=4))
def test_a_guid_that_was_drawn_is_one(drawn: object) -> None:
    assert guid(f"{{{str(drawn).upper()}}}") == str(drawn)


@pytest.mark.parametrize(
    "text",
    [
        "00000000-0000-0000-0000-000000000000",
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "03000200-0400-0500-0006-000700080009",
        "00020003-0004-0005-0006-000700080009",
        "12345678-1234-5678-90ab-cddeefaabbcc",
        "01234567-89ab-cdef-0123-456789abcdef",
        "Not Specified",
    ],
)
def test_one_that_was_never_drawn_is_none(text: str) -> None:
    assert guid(text) == ""
