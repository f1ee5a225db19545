//! What the packed texts are packed with: made by `make dictionary`, not by hand.

/// The two symbols that each of the bytes 0x80 to 0xff and 0x00 to 0x1f stands for, in that
/// order: characters, or pairs that come earlier. NUL twice where a byte is no pair.
#[rustfmt::skip]
pub const PAIRS: &[[u8; 2]; 160] = &[
    *b"s ", *b"d ", *b"e ", *b"it", *b"in", *b"er", *b": ", *b"on", *b"t ", *b"  ", *b", ", *b"or",
    *b"an", *b"e\x81", *b"il", *b"th", *b"o ", *b"re", *b"at", *b"ex", *b" s", *b"al", *b"pe",
    *b"ro", *b"--", *b"i\x80", *b"le", *b"pi", *b"o\x88", *b"ch", *b"es", *b"\x8b ", *b"] ",
    *b"n\x9c", *b"ig", *b" %", *b"i\x87", *b"op", *b"ct", *b" (", *b"en", *b"un", *b"\x8f\x82",
    *b"a ", *b"um", *b"\xa2n", *b"ar", *b"\x83h", *b"a\x80", *b"w\xaf", *b"\x89-", *b"st",
    *b"\x93\x96", *b"\x9bd", *b"\xad\x95", *b"p\x97", *b"\x83 ", *b"\xa6\x8d", *b"\xb4\xb9",
    *b"\x86%", *b"co", *b"c\x9e", *b"t\x90", *b" f", *b"%p", *b"\x84i", *b"%o", *b"-\x84", *b"AT",
    *b"se", *b"y ", *b"\xacb", *b"\xc2)", *b"ap", *b"t\x85", *b"; ", *b"am", *b"\x8c\x81",
    *b"\xb5\x9a", *b"\xbbe", *b"\x9d\x8e", *b"\xc3\x83", *b"d\xc7", *b"pa", *b"su", *b"t\xc1",
    *b"v\x85", *b"\x9b\x81", *b"\xb7\xbd", *b"%\x80", *b"c\x92", *b"ed", *b"\x8a\x98", *b"\x94\xb6",
    *b"\xb3\xa5", *b"ID", *b"ab", *b"a\x8e", *b"r\xa9", *b"\x84 ", *b"\x92\x87", *b"\xbcm",
    *b"\xd2\xd1", *b"\xda\xe4", *b" \x99", *b"..", *b"= ", *b"IN", *b"[\xe6", *b"et", *b"e\x80",
    *b"g ", *b"ic", *b"n\x90", *b"of", *b"\x8c ", *b"\xa4 ", *b"\xb1 ", *b"\xc0)", *b"\xcet",
    *b"\xd7\xf6", *b"\xec\xa0", *b"ER", *b"RO", *b"up", *b"\x89\x89", *b"\x8c\xa1", *b"\xa5t",
    *b"\x00\x00", *b" \x9f", *b"(\xf8", *b"DE", *b"NA", *b"ck", *b"i\x81", *b"\x8el", *b"\x9d ",
    *b"\xd0\x81", *b"\x00\x00", *b"\xd5\xa7", *b"\xd8\x80", *b"\xd9\x02", *b"\xe7\x83",
    *b"\x0b\xc8", *b"\x0e:", *b" [", *b" \xbe", *b"P\xdf", *b"c\xfe", *b"el", *b"lo", *b"m\x8c",
    *b"sy", *b"\x8e\x82", *b"\x91\xc9", *b"\xa7\x10", *b"\x0d ", *b"\x0f\xa0", *b"1 ", *b"ad",
];
