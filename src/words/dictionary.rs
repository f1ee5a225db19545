//! What the packed texts are packed with: made by `make dictionary`, not by hand.

/// The two symbols that each of the bytes 0x80 to 0xff and 0x00 to 0x1f stands for, in that
/// order: characters, or pairs that come earlier. NUL twice where a byte is no pair.
#[rustfmt::skip]
pub const PAIRS: &[[u8; 2]; 160] = &[
    *b"s ", *b"d ", *b"e ", *b"it", *b"in", *b": ", *b"er", *b"on", *b"t ", *b"  ", *b", ", *b"or",
    *b"e\x81", *b"an", *b"th", *b"il", *b"re", *b"o ", *b"at", *b"ex", *b"ro", *b" s", *b"al",
    *b"ec", *b"--", *b"i\x80", *b"le", *b"o\x88", *b"pi", *b"ch", *b"es", *b"\x8b ", *b"] ", *b"en",
    *b"n\x9b", *b"ig", *b"op", *b" %", *b"i\x87", *b" (", *b"un", *b"a ", *b"um", *b"\x8e\x82",
    *b"\xa3n", *b"ar", *b"t\x8c", *b"\x83h", *b"a\x80", *b"p\x97", *b"w\xaf", *b"\x89-", *b"st",
    *b"\x85%", *b"\x93\xb1", *b"\x9cd", *b"\xac\x96", *b"p\x94", *b"\x83 ", *b"\xb6\xae", *b"ed",
    *b" f", *b"c\x9e", *b"t\x91", *b"%p", *b"%o", *b"-\x84", *b"AT", *b"ap", *b"y ", *b"\x84i",
    *b"\xaab", *b"\xc1)", *b"om", *b"t\x86", *b"; ", *b"am", *b"et", *b"e\x80", *b"t\xa6",
    *b"\x8d\x81", *b"\xb5e", *b"\xb7\x9a", *b"\x9d\x8f", *b"\xc2\x83", *b"d\xc7", *b"pa", *b"su",
    *b"t\xc6", *b"v\x86", *b"\xb9\xbe", *b"%\x80", *b"c\x92", *b"\x8a\x98", *b"\x95\xb8",
    *b"\xb4\xa4", *b"ID", *b"ab", *b"a\x8f", *b"r\xa8", *b"\x92\x87", *b"\x9c\x81", *b"\xd5\xd4",
    *b"\xdc\xe4", *b" \x99", *b"..", *b"= ", *b"IN", *b"[\xe6", *b"g ", *b"ic", *b"n\x91", *b"of",
    *b"\x84 ", *b"\x8d ", *b"\xb2 ", *b"\xc0)", *b"\xd2t", *b"\xe5\xf4", *b"\xec\xa0", *b"ER",
    *b"RO", *b"up", *b"\x89\x89", *b"\x8d\xa2", *b"\xa4\xcf", *b" \x9f", *b"(\xf6", *b"\x00\x00",
    *b"DE", *b"NA", *b"el", *b"i\x81", *b"\x8fl", *b"\x90\xc4", *b"\x9d ", *b"\xd3\x81",
    *b"\xd8\xa7", *b"\x00\x00", *b"\xda\x80", *b"\xdb\xff", *b"\xe7\x83", *b"\x09\xc8", *b"\x0d:",
    *b" [", *b" \xbf", *b"P\xe0", *b"c\xfc", *b"im", *b"lo", *b"od", *b"sy", *b"\xa7\x0f",
    *b"\x0c ", *b"\x0e\xa0", *b"1 ", *b"ac", *b"ad", *b"af", *b"\x1e\xca",
];
