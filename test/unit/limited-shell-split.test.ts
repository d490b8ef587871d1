// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is what the limited shell reads
import { describe, expect, test } from "bun:test";
import { JailkitError } from "../../src/cli/error.ts";
import { splitWords } from "../../src/limited-shell/split.ts";

describe("splitWords", () => {
  test.each<[string, string[]]>([
    ["", []],
    [" \t ", []],
    [" a\t\tb  ", ["a", "b"]],
    [`'a b'c"d e"\\ f`, ["a bcd e f"]],
    [`'' "" ''""`, ["", "", ""]],
    [`'\\' "\\\\" "\\"" "\\$\\\`" "\\a\\'" \\\\ \\'`, ["\\", "\\", '"', "$`", "\\a\\'", "\\", "'"]],
    [`"'" '"'`, ["'", '"']],
    ["git-upload-pack '/srv/a'\\''b.git'", ["git-upload-pack", "/srv/a'b.git"]],
    [
      "a|b ; c & d > e < f $g ${h} $(i) `j` *? [k] ~ {l,m} # n !",
      "a|b ; c & d > e < f $g ${h} $(i) `j` *? [k] ~ {l,m} # n !".split(" "),
    ],
    ["\xc3\xa4 \xa0 \x80", ["\xc3\xa4", "\xa0", "\x80"]],
  ])("%s", (line, words) => {
    expect(splitWords(line)).toStrictEqual(words);
  });

  test.each([
    "'",
    '"',
    "a 'b",
    'a "b',
    "\\",
    "a\\",
    '"a\\',
    '"\\"',
    "'a\\'b'",
    "a\nb",
    "'\n'",
    '"\n"',
    "\\\n",
    "\0",
    "a\x1b",
    "\x7f",
    "\r",
    "\v",
  ])("refused: %j", (line) => {
    expect(() => splitWords(line)).toThrow(JailkitError);
    try {
      splitWords(line);
    } catch (error) {
      expect(error).toHaveProperty("exitStatus", 6);
    }
  });

  test("each control byte but the tab is refused, and no other byte", () => {
    const refused = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => {
      try {
        // In quotes, where nothing else is an error but a quote and a backslash.
        splitWords(byte === 0x22 || byte === 0x5c ? "" : `"a${String.fromCharCode(byte)}"`);
        return false;
      } catch {
        return true;
      }
    });
    const controls = Array.from({ length: 32 }, (_, byte) => byte).filter((byte) => byte !== 9);
    expect(refused).toEqual([...controls, 0x7f]);
  });
});
