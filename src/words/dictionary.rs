//! What the packed texts are packed with: made by `make dictionary`, not by hand.

/// The two symbols that each of the bytes 0x80 to 0xff and 0x00 to 0x1f stands for, in that
/// order: characters, or pairs that come earlier. NUL twice where a byte is no pair.
#[rustfmt::skip]
pub const PAIRS: &[[u8; 2]; 160] = &[
    *b"s ", *b"d ", *b"e ", *b"it", *b"in", *b", ", *b": ", *b"on", *b"  ", *b"t ", *b"er", *b"il",
    *b"e\x81", *b"an", *b"or", *b"at", *b"re", *b"th", *b"o ", *b"ex", *b"al", *b"le", *b"op",
    *b"no", *b"si", *b"--", *b"ec", *b"] ", *b"st", *b"ro", *b"en", *b"pi", *b"\x8e ", *b" (",
    *b"ch", *b"\x97\x89", *b" %", *b"\x91\x82", *b"ce", *b"gn", *b"i\x80", *b"a ", *b"um",
    *b"w\x83", *b"\x98\xa7", *b"\xabh", *b"t\x8c", *b"ar", *b"y ", *b"\xac\x94", *b"p\x9a",
    *b"\x93\xb2", *b"se", *b"t\x92", *b"\x88-", *b"%o", *b"AT", *b"g ", *b"p\x9d", *b"\xb3\xae",
    *b"\xb7)", *b"ti", *b"\x86%", *b"\x87 ", *b"IN", *b"\x83 ", *b"-\x84", *b"un", *b"\x84i",
    *b"\x9fd", *b"\xa6s", *b"a\x80", *b"ed", *b"om", *b"\x9c\x96", *b"\xaab", *b"%p", *b"ap",
    *b"of", *b"OR", *b"\xc2\x83", *b"; ", *b"c\x8f", *b"d\xcb", *b"su", *b"v\x8a", *b"\xbee",
    *b"AR", *b"ER", *b"t\xc4", *b"\x8f\x87", *b"\xa2\x8b", *b"\xba\xc6", *b"\xd2\xda", *b"t\x8a",
    *b"\x8d\x81", *b"\xad ", *b"\xd3\xd0", *b"[\xe1", *b"k\x8b", *b"sy", *b"\xc5\x95", *b"\xe2\x9b",
    *b"DE", *b"am", *b"\x85\x99", *b"\xdd\x83", *b" f", *b" \xa0", *b"ID", *b"ON", *b"a\x8b",
    *b"di", *b"e\x80", *b"pa", *b"\x84 ", *b"\x9f\x81", *b"\xa1\xea", *b"\xf5:", *b"%\x80", *b"ab",
    *b"\x8d\xa3", *b"\xd9\xa1", *b" \xa8", *b"W\xd7", *b"\x88\x88", *b"\x90\xcd", *b"\xbc\x9b",
    *b"\x00\x00", *b"\xca ", *b"\xdb\x81", *b"\xdc\x80", *b"\xf6\xbc", *b"\xfa\xff", *b"\x04\x86",
    *b"..", *b"AL", *b"IT", *b"\x00\x00", *b"c\x82", *b"f\x8b", *b"od", *b"sa", *b"\x84\xb9",
    *b"\x8d ", *b"\x94l", *b"\x96\xbd", *b"\xcc)", *b"\xe5t", *b"\xf4\x13", *b" [", *b" \xc7",
    *b"BU", *b"E ", *b"P\xed", *b"c\xc9", *b"\x1bm", *b"c\xf9", *b"el", *b"es",
];
