//! What the packed texts are packed with: made by `make dictionary`, not by hand.

/// The two symbols that each of the bytes 0x80 to 0xff and 0x00 to 0x1f stands for, in that
/// order: characters, or pairs that come earlier. NUL twice where a byte is no pair.
#[rustfmt::skip]
pub const PAIRS: &[[u8; 2]; 160] = &[
    *b"s ", *b"d ", *b"e ", *b"it", *b"in", *b"on", *b", ", *b"er", *b": ", *b"t ", *b"  ", *b"or",
    *b"th", *b"e\x81", *b"il", *b"an", *b"at", *b"re", *b"o ", *b"ex", *b"ec", *b"al", *b"no",
    *b"i\x80", *b"le", *b"\x8b ", *b"ro", *b"si", *b"a ", *b"--", *b"] ", *b"st", *b"ch",
    *b"\x96\x89", *b"ce", *b"op", *b"pi", *b" (", *b"\x8c\x82", *b" %", *b"en", *b"gn", *b"t\x8d",
    *b"\x83h", *b"w\xab", *b"p\x94", *b"um", *b"\x93\xad", *b"\x9b\xa9", *b"ar", *b"y ", *b"i\x85",
    *b"se", *b"\xaf\xaa", *b"a\x80", *b"\x83 ", *b"\xb0\x95", *b"p\x9a", *b"t\x92", *b"AT", *b"un",
    *b"\x8a-", *b"%o", *b"g ", *b"\x88%", *b"\xbe)", *b"\xa2s", *b"IN", *b"-\x84", *b"ed", *b"su",
    *b"\x84i", *b"\xa4d", *b"\xaeb", *b"%p", *b"ap", *b"of", *b"om", *b"\x9f\xa3", *b"OR",
    *b"\x87 ", *b"\xc4\x83", *b"; ", *b"c\x90", *b"d\xc9", *b"pa", *b"t\xb3", *b"\x8f\x81",
    *b"\xc0e", *b" \x99", *b"AR", *b"ER", *b"am", *b"t\xc7", *b"\x90\x85", *b"\xa0\x8e",
    *b"\xb9\xc2", *b"\xd3\xde", *b" f", *b"\x84 ", *b"\xac ", *b"\xd4\xd1", *b"[\xe5", *b"di",
    *b"k\x8e", *b"sy", *b"\xe6\x9e", *b" \x97", *b"DE", *b"ab", *b"e\x80", *b"\x86\x9d",
    *b"\xc8\x98", *b"\xe1\x83", *b"ID", *b"ON", *b"a\x8e", *b"t\x87", *b"vi", *b"\x8f\xa1",
    *b"\xa0 ", *b"\xa4\x81", *b"\xa5\xf1", *b"\xfa:", *b"%\x80", *b"es", *b"r\xbc", *b"v\x87",
    *b"\x00\x00", *b"\xdd\xa5", *b"\x01\xc1", *b"\x02\x9e", *b"= ", *b"W\xda", *b"c\x82", *b"f\x8e",
    *b"sa", *b"\x8a\x8a", *b"\x00\x00", *b"\x91\xcb", *b"\xa3\xd6", *b"\xce ", *b"\xdf\x81",
    *b"\xe0\x80", *b"\xfb\xc1", *b"\x10\x88", *b"..", *b"AL", *b"IT", *b"c\xf7", *b"lo", *b"n\x92",
    *b"od", *b"ou", *b"s\x86", *b"up", *b"\x84\xbf", *b"\x85 ", *b"\x8f ", *b"\xb5\x9c",
];
