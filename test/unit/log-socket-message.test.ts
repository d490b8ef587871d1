import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { fromBytes, toBytes } from "../../ffi/bytes.ts";
import { copyMessage, LONGEST_ADDITION, markOf, rewriteMessage } from "../../src/log-socket/relay/message.ts";

const mark = " (jail=/j uid=7)";

function rewrite(text: string): string {
  const from = toBytes(`before${text}behind`);
  const to = new Uint8Array(4 * text.length + 2 * mark.length + 3 + LONGEST_ADDITION + 2).fill(0xee);
  const message = { bytes: from, start: 6, end: 6 + text.length, pid: 4711, uid: 7 };
  const end = rewriteMessage(message, to, 1, markOf("/j", 7), toBytes("hst"));
  // Nothing is written around it.
  expect([to[0], to[to.length - 1]]).toEqual([0xee, 0xee]);
  return fromBytes(to, 1, end);
}

describe("the sender", () => {
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
    // a byte that would end a word, if it were not escaped
    [`<13>${time}x\nsshd[1]: t`, `<13>${time}x#012sshd[4711]: t${mark}`],
    [`<13>${time}x\tsshd[1]: t`, `<13>${time}x#011sshd[4711]: t${mark}`],
    ["<13>\tsshd[1]: t", `<13>#011sshd[4711]: t${mark}`],
    [`<13>${time}tag: a\0<0>kernel: b`, `<13>${time}tag: a#000<0>kernel: b${mark}`],
    [`<13>${time}tag: \xff\xfe`, `<13>${time}tag: \xff\xfe${mark}`],
  ];
  test.each(rows)("%j", (text, expected) => {
    expect(rewrite(text)).toBe(expected);
  });

  test("a message that daemons would cut says so after the tag, too", () => {
    const long = "x".repeat(8000);
    expect(rewrite(`<13>tag[1]: ${long}`)).toBe(`<13>tag[4711]:${mark} ${long}${mark}`);
    expect(rewrite(`<13>tag[1]: ${long.slice(100)}`)).not.toContain(`:${mark}`);
  });

  test("also one that is long only after escaping", () => {
    const result = rewrite(`<13>tag[1]: ${"\n".repeat(2500)}x`);
    expect(result).toStartWith(`<13>tag[4711]:${mark} #012`);
    expect(result).toEndWith(`x${mark}`);
  });
});

describe("a JSON object", () => {
  const member = ',"jk_socketd":{"jail":"/j","uid":7}}';
  test.each(['{"a":1}', '{"a":{"b":[1,"}"]}}', '{"a":"\\u00e9\\\\"}', '{ "a" : 1 }', '{"jk_socketd ":1}'])(
    "%s tells its sender at its end",
    (object) => {
      const line = rewrite(`<13>t[1]: ${object}`);
      expect(line).toBe(`<13>t[4711]: ${object.slice(0, -1)}${member}`);
      const { jk_socketd: sender, ...rest } = JSON.parse(line.slice("<13>t[4711]: ".length));
      expect([sender, rest]).toEqual([{ jail: "/j", uid: 7 }, JSON.parse(object)]);
    },
  );
  test("also with blanks around it", () => {
    expect(rewrite('<13>t:   {"a":1}  \n')).toBe('<13>t:   {"a":1}#012'.slice(0, -5) + member);
  });

  test.each([
    "{}",
    "{ }",
    '[{"a":1}]',
    '{"a":1',
    '"a":1}',
    '{"a":1}}',
    '{"a":1},{"b":2}',
    '{"a":1} {"b":2}',
    '{"a":1} x',
    'x {"a":1}',
    // What the mark would end up in a string, a comment, or another object.
    '{"a":"}',
    '{"a":"\\}',
    '{"a":1 /*}',
    '{"a":{"b":1}',
    // Readers differ about such bytes.
    '{"a":"\xff"}',
    '{"a":"\xc3\xa9"}',
    '{"a":\n1}',
    // Its own word on the sender.
    '{"jk_socketd":{"jail":"/other","uid":0}}',
    '{"jk_socketd\\u0000x":{"jail":"/other","uid":0}}',
    '{"a":1,"jk\\u005fsocketd":1}',
  ])("%j is text", (text) => {
    const line = rewrite(`<13>t: ${text}`);
    expect(line).toEndWith(mark);
    expect(line).not.toContain(member);
  });

  test("that is too long with its sender is text", () => {
    const object = (length: number) => `{"a":"${"x".repeat(length)}"}`;
    const [fits, without] = [7900 - 200, 8000 - 5 - mark.length - 12];
    expect(rewrite(`<13>t: ${object(fits)}`)).toEndWith(member);
    expect(rewrite(`<13>t: ${object(without)}`)).toEndWith(`}${mark}`);
    expect(rewrite(`<13>t: ${object(8000)}`)).toStartWith(`<13>t:${mark} {`);
  });

  test("nested too deeply to be read, or with the header of RFC 5424, is text", () => {
    expect(rewrite(`<13>t: {"a":${"[".repeat(3500)}${"]".repeat(3500)}}`)).toMatch(/(?:\}\}| uid=7\))$/);
    expect(rewrite('<13>1 - h app 1 id - {"a":1}')).toEndWith(mark);
  });

  test("nobody can write one that a reader takes for another sender's", () => {
    const piece = fc.constantFrom(
      ...[
        '{"a":1',
        '"',
        "\\",
        ",",
        ":",
        "{",
        "}",
        "[",
        "]",
        "/*",
        "//",
        " ",
        '"jk_socketd":',
        '{"jail":"/x","uid":0}',
      ],
      ...["a", "1", "null", "\\u0022", "\n", "\xff"],
    );
    const text = fc.array(piece, { maxLength: 12 }).map((all) => `{"a":1${all.join("")}}`);
    fc.assert(
      fc.property(text, (one) => {
        const line = rewrite(`<13>t: ${one}`).slice("<13>t: ".length);
        if (line.endsWith(mark)) return;
        expect(JSON.parse(line).jk_socketd).toEqual({ jail: "/j", uid: 7 });
      }),
      { numRuns: 5000 },
    );
  });
});

describe("control bytes", () => {
  const octal = (byte: number) => `#${byte.toString(8).padStart(3, "0")}`;
  const controls = Array.from({ length: 256 }, (_, byte) => byte).filter(
    (byte) => byte < 0x20 || (byte >= 0x7f && byte < 0xa0),
  );
  test.each(controls)("%p is escaped in the text, in the tag, and in a header of RFC 5424", (byte) => {
    const raw = String.fromCharCode(byte);
    expect(rewrite(`<13>tag: a${raw}b`)).toBe(`<13>tag: a${octal(byte)}b${mark}`);
    expect(rewrite(`<13>t${raw}g: b`)).toBe(`<13>t${octal(byte)}g: b${mark}`);
    expect(rewrite(`<13>1 - h a${raw}p 1 i${raw}d - x`)).toBe(
      `<13>1 - hst a${octal(byte)}p 4711 i${octal(byte)}d - x${mark}`,
    );
  });

  // Bytes, as latin1 has them.
  const utf8 = (text: string) => Buffer.from(text).toString("latin1");
  test("characters of UTF-8 stay, and so do other bytes", () => {
    for (const text of [utf8("\u00a0\u00e9\u011b\u4e2d\u2026\u{1f600}"), "\xff\xfe\xa0\xc3", "\xe2\xa8"]) {
      expect(rewrite(`<13>t: ${text}`)).toBe(`<13>t: ${text}${mark}`);
    }
  });

  test.each([
    ["\u009b", "#302#233"],
    ["\u0085", "#302#205"],
    ["\u2028", "#342#200#250"],
    ["\u2029", "#342#200#251"],
  ])("%j of UTF-8 is escaped", (text, expected) => {
    expect(rewrite(`<13>t: a${utf8(text)}b`)).toBe(`<13>t: a${expected}b${mark}`);
  });

  test.each([
    ["\xe0\x82\x9b", "\xe0#202#233"],
    ["\xc1\x9b", "\xc1#233"],
    ["\xed\xa0\x9b", "\xed\xa0#233"],
    ["\xf4\x90\x80\x9b", "\xf4#220#200#233"],
    ["\xe4\xb8", "\xe4\xb8"],
    ["\xc2", "\xc2"],
  ])("%j is no character", (text, expected) => {
    expect(rewrite(`<13>t: a${text}`)).toBe(`<13>t: a${expected}${mark}`);
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

test("a long message of RFC 5424 says so before its structured data", () => {
  const data = `[a b="${"x".repeat(8000)}"]`;
  expect(rewrite(`<13>1 - h app 1 id ${data} t`)).toBe(`<13>1 - hst app 4711 id -${mark} ${data} t${mark}`);
});

test("any bytes: they fit, with one priority that users may have, no control byte, no other pid, and the mark at the end", () => {
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
    "\t",
    "\x1b",
    "\x9b",
    "\x7f",
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
      expect(result).not.toMatch(/[\0-\x1f\x7f-\x9f]/);
      // Where the tag can be, there is no pid but the kernel's.
      const tag = result
        .replace(/^<\d+>/, "")
        .split(" ")
        .find((word) => !/^(?:[+,\-./0-9:TZ]*|Nov)$/.test(word));
      for (const [, pid] of (tag ?? "").matchAll(/\[(\d+)\]/g)) expect(pid).toBe("4711");
      expect(result.endsWith(mark)).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test("the mark names the jail and the uid", () => {
  expect(fromBytes(markOf("/srv/jail", 1001).text)).toBe(" (jail=/srv/jail uid=1001)");
});

test("a trusted sender's message is copied", () => {
  const copy = (text: string, oneLine: boolean) => {
    const to = new Uint8Array(64);
    const message = { bytes: toBytes(text), start: 1, end: text.length, pid: 1, uid: 7 };
    return fromBytes(to, 2, copyMessage(message, to, 2, oneLine));
  };
  expect(copy("x<0>kernel[1]: a\0\n", false)).toBe("<0>kernel[1]: a\0\n");
  expect(copy("x<0>kernel[1]: a\0\n", true)).toBe("<0>kernel[1]: a#000#012");
});
