import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { fromBytes, toBytes } from "../../ffi/bytes.ts";
import { copyMessage, LONGEST_ADDITION, markOf, rewriteMessage } from "../../src/log-socket/message.ts";

const mark = " (jail=/j uid=7)";

function rewrite(text: string, oneLine = false): string {
  const from = toBytes(`before${text}behind`);
  const to = new Uint8Array(4 * text.length + 2 * mark.length + 3 + LONGEST_ADDITION + 2).fill(0xee);
  const sender = { pid: 4711, mark: toBytes(mark), hostName: toBytes("hst"), oneLine };
  const end = rewriteMessage(from, 6, 6 + text.length, to, 1, sender);
  // Nothing is written around it.
  expect([to[0], to[to.length - 1]]).toEqual([0xee, 0xee]);
  return fromBytes(to, 1, end);
}

describe("who sent it", () => {
  const time = "Nov  1 10:00:00 ";
  const rows: [string, string][] = [
    [`<13>${time}tag[1]: text`, `<13>${time}tag[4711]: text${mark}`],
    [`<13>${time}tag: text [1]: more`, `<13>${time}tag: text [1]: more${mark}`],
    [`<13>${time}tag[1][2]: text`, `<13>${time}tag[4711][4711]: text${mark}`],
    [`<13>${time}tag[1]:text`, `<13>${time}tag[4711]:text${mark}`],
    [`<13>${time}tag[]: [x] [1a]`, `<13>${time}tag[]: [x] [1a]${mark}`],
    [`<13>${time}tag[1`, `<13>${time}tag[1${mark}`],
    ["<13>tag[1]: text", `<13>tag[4711]: text${mark}`],
    ["<13>   tag[1]: text", `<13>   tag[4711]: text${mark}`],
    ["<13>2024-11-24T10:00:00.5+01:00 tag[1]: t", `<13>2024-11-24T10:00:00.5+01:00 tag[4711]: t${mark}`],
    // other forms of the time that daemons know
    ["<13>Nov  1 2024 10:00:00 tag[1]: t", `<13>Nov  1 2024 10:00:00 tag[4711]: t${mark}`],
    ["<13>nov 1 10:00:00: tag[1]: t", `<13>nov 1 10:00:00: tag[4711]: t${mark}`],
    ["<13>Nov  1 10:00:00  tag[1]: t", `<13>Nov  1 10:00:00  tag[4711]: t${mark}`],
    ["", ""],
    ["\0\n\0", ""],
    [`<13>${time}tag[1]: text\n\0`, `<13>${time}tag[4711]: text${mark}`],
    [`<13>${time}tag: a\nb`, `<13>${time}tag: a\nb${mark}`],
    [`<13>${time}tag: a\0<0>kernel: b`, `<13>${time}tag: a#000<0>kernel: b${mark}`],
    [`<13>${time}tag: \xff\xfe`, `<13>${time}tag: \xff\xfe${mark}`],
  ];
  test.each(rows)("%j", (text, expected) => {
    expect(rewrite(text)).toBe(expected);
  });

  test("a message that daemons would cut tells it behind the tag, too", () => {
    const long = "x".repeat(8000);
    expect(rewrite(`<13>tag[1]: ${long}`)).toBe(`<13>tag[4711]:${mark} ${long}${mark}`);
    expect(rewrite(`<13>tag[1]: ${long.slice(100)}`)).not.toContain(`:${mark}`);
  });

  test("in one line, where the host's daemon reads a stream", () => {
    expect(rewrite("<13>tag: a\nb", true)).toBe(`<13>tag: a#012b${mark}`);
  });
});

describe("priority", () => {
  // facility, and what becomes of it
  const kept = [1, 2, 3, 4, 10, 16, 17, 18, 19, 20, 21, 22, 23];
  test.each(Array.from({ length: 24 }, (_, facility) => facility))("facility %p", (facility) => {
    const expected = kept.includes(facility) ? facility : 1;
    for (const severity of [0, 3, 7]) {
      expect(rewrite(`<${facility * 8 + severity}>tag: t`)).toBe(`<${expected * 8 + severity}>tag: t${mark}`);
    }
  });

  const bad = [
    "tag: t",
    "<>tag: t",
    "<192>tag: t",
    "<0192>t: t",
    "<1x>tag: t",
    "<-1>tag: t",
    "< 1>t: t",
    "<",
    "<1",
    "<13",
  ];
  test.each(bad)("%p has none: user.notice", (text) => {
    expect(rewrite(text)).toBe(`<13>${text}${mark}`);
  });

  test("leading zeros are not passed on", () => {
    expect(rewrite("<013>tag: t")).toBe(`<13>tag: t${mark}`);
    expect(rewrite("<000>tag: t")).toBe(`<8>tag: t${mark}`);
  });
});

describe("RFC 5424", () => {
  const rows: [string, string][] = [
    [
      "<13>1 2024-11-24T10:00:00Z other app 1 id - text",
      `<13>1 2024-11-24T10:00:00Z hst app 4711 id - text${mark}`,
    ],
    ["<5>1 - other app - - - ", `<13>1 - hst app 4711 - - ${mark}`],
    ['<13>1 - h app 1 id [a b="c"]', `<13>1 - hst app 4711 id [a b="c"]${mark}`],
    // none
    ["<13>1 word[1]: h app 1 id -", `<13>1 word[4711]: h app 1 id -${mark}`],
    ["<13>1 - h app 1", `<13>1 - h app 1${mark}`],
  ];
  test.each(rows)("%j", (text, expected) => {
    expect(rewrite(text)).toBe(expected);
  });
});

test("whatever the bytes, there is room, one priority that users may have, no NUL, and the mark at the end", () => {
  const word = fc.constantFrom(
    "<",
    ">",
    "0",
    "1",
    "[",
    "]",
    " ",
    ":",
    "\n",
    "\0",
    "Nov",
    "-",
    "x",
    "\xff",
    "<0>",
    "1 ",
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 40 }), (words) => {
      const result = rewrite(words.join(""));
      if (result === "") return;
      const match = /^<(\d+)>/.exec(result);
      expect([1, 2, 3, 4, 10]).toContain(Number(match?.[1]) >> 3);
      expect(result).not.toContain("\0");
      expect(result.endsWith(mark)).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test("the mark names the jail and the uid", () => {
  expect(fromBytes(markOf("/srv/jail", 1001))).toBe(" (jail=/srv/jail uid=1001)");
});

test("a trusted sender's message is copied", () => {
  const copy = (text: string, oneLine: boolean) => {
    const to = new Uint8Array(64);
    return fromBytes(to, 2, copyMessage(toBytes(text), 1, text.length, to, 2, oneLine));
  };
  expect(copy("x<0>kernel[1]: a\0\n", false)).toBe("<0>kernel[1]: a\0\n");
  expect(copy("x<0>kernel[1]: a\0\n", true)).toBe("<0>kernel[1]: a#000#012");
});
