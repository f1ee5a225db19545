//! What the packed texts are packed with: made by `make dictionary`, not by hand.

/// The two symbols that each of the bytes 0x80 to 0xff and 0x00 to 0x1f stands for, in that
/// order: characters, or pairs that come earlier. NUL twice where a byte is no pair.
#[rustfmt::skip]
pub const PAIRS: &[[u8; 2]; 160] = &[
    *b"s ", *b"d ", *b"e ", *b"it", *b"in", *b"on", *b", ", *b"er", *b": ", *b"t ", *b"  ", *b"or",
    *b"th", *b"e\x81", *b"an", *b"il", *b"at", *b"re", *b"no", *b" s", *b"ex", *b"to", *b"ec",
    *b"al", *b"i\x80", *b"le", *b"ro", *b"\x8b ", *b"--", *b"] ", *b"ch", *b"\x92\x89", *b"es",
    *b"i\x85", *b"pi", *b"en", *b"ig", *b" %", *b" (", *b"\x8c\x82", *b"a ", *b"t\x8d", *b"\x83h",
    *b"w\xaa", *b"p\x96", *b"um", *b"\x94\xac", *b"\xa4n", *b"ar", *b"\xae\xa9", *b"a\x80",
    *b"\xaf\x97", *b"p\x9a", *b" f", *b"un", *b"\x8a-", *b"%o", *b"\x88%", *b"\xb8)", *b"c\xa0",
    *b"e\x80", *b"y ", *b"\x83 ", *b"-\x84", *b"AT", *b"\x84i", *b"\xa2d", *b"IN", *b"co", *b"ed",
    *b"\x95 ", *b"\xadb", *b"%p", *b"ap", *b"of", *b"t\x87", *b"\x95p", *b"OR", *b"ic",
    *b"\xbf\x83", *b"c\x90", *b"d\xc7", *b"g ", *b"pa", *b"t\xa1", *b"v\x87", *b"\x8e\x81",
    *b"\xb9e", *b"AR", *b"ER", *b"am", *b"t\xc1", *b"\x90\x85", *b"\x9e\x8f", *b"\xb4\xbb",
    *b"\xd0\xdc", *b"et", *b"s\xcc", *b"\xd1\xcf", *b" \x98", *b" \x9b", *b"[\xe2", *b"i\x81",
    *b"k\x8f", *b"o ", *b"\x93\xb3", *b"\xe5\x9d", *b"; ", *b"DE", *b"ab", *b"op", *b"su",
    *b"\x86\x9c", *b"\xc2\x99", *b"\xdf\x83", *b" \xa7", *b"ID", *b"ON", *b"a\x8f", *b"\x8e\x9f",
    *b"\xa2\x81", *b"\xa6\xf2", *b"\xf9:", *b"%\x80", *b"r\xb6", *b"ss", *b"st", *b"\x9e ",
    *b"\x00\x00", *b"\xdb\xa6", *b"\x01\xba", *b"= ", *b"W\xd8", *b"up", *b"\x8a\x8a", *b"\x91\xc9",
    *b"\xdd\x81", *b"\xde\x80", *b"\x00\x00", *b"\xee\xd4", *b"\xfa\xba", *b"\x02\x9d",
    *b"\x0c\x88", *b"..", *b"AL", *b"IT", *b"c\xf7", *b"el", *b"f\x8f", *b"lo", *b"ou", *b"s\x86",
    *b"s\xb3", *b"\x84 ", *b"\x8e ", *b"\xab ", *b"\xc8)", *b"\xf8\x1c", *b" [", *b"BU",
];
