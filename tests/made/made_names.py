"""File names that attack whatever displays them: terminals, spreadsheets, browsers, file systems, plots."""

HOSTILE_NAMES = (
    "\x1b[2J\x1b[31mred",
    "\x1b]0;title\x07",
    "\x9b31m",
    "two\nlines",
    "back\rward",
    "tab\tbed",
    "\u202eright to left",
    "\u200bzero width",
    "=cmd|' C'!A0",
    "+1",
    "-1",
    "--json",
    "@SUM(A1)",
    '=HYPERLINK("http:example.invalid","x")',
    "\t=1+1",
    "\uff1d1",
    "<script>alert(1)<script>",
    "\"quoted\", 'and' more",
    "%s%n{0}$(id)`id`",
    r"$\frac$",  # a formula, and one with an error
    r"a_b^c \\ \$",
    "_hidden",
    "שלום عربي",
    "ends with dots..",
    " ",
    "x" * 200,
    "\udcff\udcfe",  # bytes that are not UTF-8
)
