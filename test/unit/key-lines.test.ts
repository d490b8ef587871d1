import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parsePublicKeys, readKeyLine } from "../../src/users/key-lines.ts";
import { keyLinesIn, mergeKeys, withLinesOf, withoutKeys } from "../../src/users/key-text.ts";
import { codeOf, messageOf } from "./jail-helper.ts";

/** A string of RFC 4253: its length in four bytes, and itself. */
const sshString = (value: string | Buffer) => {
  const bytes = Buffer.from(value as string);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};
const keyOf = (type: string, ...values: (string | Buffer)[]) =>
  `${type} ${Buffer.concat([type, ...values].map(sshString)).toString("base64")}`;

const point = Buffer.alloc(65, 4);
const ed25519 = keyOf("ssh-ed25519", Buffer.alloc(32, 7));
let folder = "";
const made: [name: string, line: string][] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "jailkit-keys-"));
  for (const [type, bits] of [
    ["ed25519", "256"],
    ["ecdsa", "256"],
    ["ecdsa", "384"],
    ["ecdsa", "521"],
    ["rsa", "2048"],
  ] as const) {
    const name = `${type}${bits}`;
    Bun.spawnSync([
      "ssh-keygen",
      "-q",
      "-t",
      type,
      "-b",
      bits,
      "-N",
      "",
      "-C",
      `a "comment" of ${name}`,
      "-f",
      join(folder, name),
    ]);
    made.push([name, readFileSync(join(folder, `${name}.pub`), "latin1").trim()]);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a key", () => {
  test("of ssh-keygen is accepted, and not if it is cut off", () => {
    expect(made.length).toBe(5);
    for (const [, line] of made) {
      expect(parsePublicKeys(`${line}\n`, "f")).toEqual([
        { line, options: "", key: line.split(" ").slice(0, 2).join(" ") },
      ]);
      const [type = "", blob = ""] = line.split(" ");
      for (let length = 0; length < blob.length; length += 7)
        expect(readKeyLine(`${type} ${blob.slice(0, length)}`)).toHaveProperty("problem");
      // What comes from the key is whole: one more is not that key.
      expect(readKeyLine(`${type} ${blob}AAAA`)).toHaveProperty("problem");
    }
  });

  test("of a security key is one", () => {
    const keys = [
      keyOf("sk-ssh-ed25519@openssh.com", Buffer.alloc(32, 7), "ssh:"),
      keyOf("sk-ecdsa-sha2-nistp256@openssh.com", "nistp256", point, "ssh:"),
    ];
    expect(parsePublicKeys(keys.join("\n"), "f").map(({ key }) => key)).toEqual(keys);
  });

  test.each([
    ["of another type than it says", keyOf("ssh-rsa", Buffer.alloc(32, 7)).replace("ssh-rsa", "ssh-ed25519")],
    ["of a length that is not its type's", keyOf("ssh-ed25519", Buffer.alloc(31, 7))],
    ["without a part", keyOf("ecdsa-sha2-nistp256", "nistp256")],
    ["with an empty part", keyOf("ecdsa-sha2-nistp256", "nistp256", "")],
    ["of RSA that is too short", keyOf("ssh-rsa", Buffer.from([1, 0, 1]), Buffer.alloc(64, 0x7f))],
    ["of DSA", keyOf("ssh-dss", point, point, point, point)],
    ["that is a certificate", keyOf("ssh-ed25519-cert-v01@openssh.com", point)],
    ["after two options that no comma joins", `restrict no-pty ${ed25519}`],
    ["with text in it", ed25519.replace("AAAA", "AA=A")],
    ["alone, without its type", ed25519.split(" ")[1] ?? ""],
    ["with no type but options", "restrict"],
  ])("%s is none", (_, line) => {
    expect(readKeyLine(line)).toHaveProperty("problem");
    expect(codeOf(() => parsePublicKeys(line, "f"))).toBe("bad-key");
  });
});

// A user's own file may have a million of these; time that grows with its square would be hours.
test.each([
  ["blanks before a word", `${" ".repeat(1 << 20)}x`],
  ["blanks between words", `x${" \t".repeat(1 << 19)}x`],
  ["carriage returns", `${"\r".repeat(1 << 20)}x`],
  ["blanks behind a type", `ssh-rsa${"\t".repeat(1 << 20)}A`],
  ["quotes", `command="${'\\"'.repeat(1 << 19)}" ssh-rsa A`],
  ["an option without an end", `command="${"a".repeat(1 << 20)}`],
  ["letters", "a".repeat(1 << 20)],
])("a long line of %s is read", (_, line) => {
  expect(readKeyLine(line)).toHaveProperty("problem");
  expect(mergeKeys(`${line}\n`, parsePublicKeys(ed25519, "f")).added).toBe(1);
});

describe("options", () => {
  test.each([
    "restrict",
    "restrict,pty",
    "NO-PTY,Restrict",
    'command="/usr/bin/rsync --server \\"x y\\"",restrict',
    'from="10.0.0.0/8,!10.1.1.1",no-touch-required',
    'environment="A=b",environment="C=d",expiry-time="20300101"',
    'permitopen="host:80",permitlisten="8080",principals="a,b",tunnel="0",cert-authority',
    'command="echo \\\\ \\x"',
  ])("%s are accepted", (options) => {
    const found = readKeyLine(`${options} ${ed25519} a comment`);
    expect(found).toMatchObject({ options, key: ed25519 });
  });

  test.each([
    ["restrit", "did you mean 'restrict'?"],
    ["restrict,", "missing after the last comma"],
    [",restrict", "is not an option of sshd"],
    ["command=ls", "is not an option of sshd"],
    ['restrict="x"', "is written restrict alone"],
    ["command", 'is written command="..."'],
    ['command="a\\"', "is not a public key"],
    ['command="a"b', "is not an option of sshd"],
  ])("%s are not", (options, reason) => {
    expect(readKeyLine(`${options} ${ed25519}`)).toMatchObject({ problem: expect.stringContaining(reason) });
  });

  test("of a user's own file are not compared with those that were meant, line by line", () => {
    expect(readKeyLine(`restrit ${ed25519}`, false)).toEqual({
      problem: "'restrit' is not an option of sshd",
    });
  });
});

test("comments, blanks, line ends of other systems and a byte order mark are ignored; a key counts once", () => {
  const text = `\xef\xbb\xbf# keys\r\n\r\n  \t${ed25519} one \r\n\t# x\n${ed25519} again`;
  expect(parsePublicKeys(text, "f")).toEqual([{ line: `${ed25519} one`, options: "", key: ed25519 }]);
});

test("an error names file and line, and shows no content of a file without keys", () => {
  const shadow = "root:$6$salt$hash:19000:0:99999:7:::\n";
  expect(messageOf(() => parsePublicKeys(shadow, "'/x'"))).toBe(
    "'/x', line 1: is not a public key of OpenSSH",
  );
  const mixed = `${ed25519}\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n`;
  expect(messageOf(() => parsePublicKeys(mixed, "'/x'"))).toStartWith("'/x': is a private key");
});

test("keys are added once, at the end", () => {
  const [one, two] = [ed25519, keyOf("ssh-ed25519", Buffer.alloc(32, 8))];
  const keys = parsePublicKeys(`${one} first\nrestrict ${two}\n`, "f");
  expect(mergeKeys("", keys)).toEqual({
    text: `${one} first\nrestrict ${two}\n`,
    added: 2,
    present: 0,
    otherOptions: 0,
  });
  const there = `# kept\n\xff broken line\n${one} other comment`;
  expect(mergeKeys(there, keys)).toEqual({
    text: `${there}\nrestrict ${two}\n`,
    added: 1,
    present: 1,
    otherOptions: 0,
  });
  expect(mergeKeys(`restrict ${one}\n${two}\n`, keys)).toEqual({
    text: undefined,
    added: 0,
    present: 2,
    otherOptions: 2,
  });
});

describe("a user's own file", () => {
  const [one, two] = [ed25519, keyOf("ssh-ed25519", Buffer.alloc(32, 8))];
  const pieces = [
    ...[one, two, keyOf("sk-ssh-ed25519@openssh.com", Buffer.alloc(32, 7), "ssh:")],
    // The shortest that has all parts.
    keyOf("ecdsa-sha2-nistp256", "x", "y"),
    ...[
      "restrict ",
      'command="x" ',
      'command="',
      `command="${one}",no-pty `,
      `${one.slice(0, 40)}`,
      "ssh-rsa ",
      'no-such-option="" ',
      "no-such-type ",
    ],
    ...[
      "\n",
      "\n",
      "\n",
      "\n#",
      " ",
      "\t",
      "\r",
      "\r\n",
      "\f",
      "\0",
      '"',
      "\\",
      ",",
      "=",
      "a",
      "\xff",
      "AAAA",
    ],
  ];

  /** Each line for itself, as sshd reads them. */
  const lineByLine = (text: string) =>
    text.split("\n").map((line) => {
      const found = readKeyLine(line.split("\0", 1)[0] ?? "", false);
      return { line, found: found === undefined || "problem" in found ? undefined : found };
    });

  const [, blob] = one.split(" ");
  /** The options of the key `one` in a line that sshd skips today, where another one may read it. */
  const perhapsOptions = (line: string): string | undefined => {
    if (/^[ \t]*#/.test(line)) return undefined;
    const even = line.replace(/[\v\f\r]/g, "");
    const found = [...even.matchAll(/[^ \t]+/g)].find(([word]) => word.split("\0", 1)[0] === blob);
    return found && even.slice(0, found.index).trim().replace(/\S+$/, "").trim();
  };

  test("is searched for keys with the result of reading each line", () => {
    let state = 1;
    const next = (below: number) => {
      state = (state * 1103515245 + 12345) % 2 ** 31;
      return Math.floor((state / 2 ** 31) * below);
    };
    const [wanted] = parsePublicKeys(`restrict ${one}`, "f");
    if (wanted === undefined) throw new Error("no key");
    let keys = 0;
    for (let round = 0; round < 4000; round++) {
      const text = Array.from({ length: next(12) }, () => pieces[next(pieces.length)]).join("");
      const lines = lineByLine(text);
      const all = lines.flatMap(({ found }) => found ?? []);
      keys += all.length;
      expect(keyLinesIn(text)).toEqual(all);
      const optionsOf = ({ line, found }: (typeof lines)[number]) =>
        found === undefined ? perhapsOptions(line) : found.key === one ? found.options : undefined;
      const others = lines.filter((line) => optionsOf(line) === undefined);
      const removed = lines.length - others.length;
      expect(withoutKeys(text, new Set([one]))).toEqual({
        text: removed === 0 ? undefined : others.map(({ line }) => line).join("\n"),
        count: removed,
      });
      const limited = lines.map((one) =>
        ["restrict", undefined].includes(optionsOf(one)) ? one.line : wanted.line,
      );
      expect(withLinesOf(text, [wanted]).text ?? text).toBe(limited.join("\n"));
      const there = all.some(({ key }) => key === one);
      expect(mergeKeys(text, [wanted])).toMatchObject({ added: there ? 0 : 1, present: there ? 1 : 0 });
    }
    expect(keys).toBeGreaterThan(300);
  });

  // As much as is read of one. Each line that is taken apart costs a microsecond, in each of several looks at the file.
  test.each([
    ["empty lines", "\n".repeat(1 << 20)],
    ["words", "x\n".repeat(1 << 19)],
    ["comments", "# x y\n".repeat(170_000)],
    ["types without keys", "ssh-ed25519 A\n".repeat(70_000)],
    ["parts of types", "ssh-".repeat(1 << 18)],
    ["options before no key", "no-pty ssh-rsa AAAA\n".repeat(50_000)],
    ["one long line", `ssh-rsa ${"=".repeat(1 << 20)}`],
  ])("of %s is not taken apart", (_, junk) => {
    let looks = 0;
    const has = (key: string) => {
      looks++;
      return key === two;
    };
    expect(keyLinesIn(`${junk}\n${two}\n${one}\n${junk}`, { has }).map(({ key }) => key)).toEqual([two]);
    // One for each key of the file, and one for the line of the key that is wanted.
    expect(looks).toBe(3);
  });

  test("a line that has a key ten thousand times is taken apart once", () => {
    const [, blob] = one.split(" ");
    // As no word, it is looked for again each time.
    const line = `command="x ${`${blob},`.repeat(15_000)}`;
    // Each time that it is would take seven milliseconds.
    expect(withoutKeys(`${line}\n${two}\n${one}`, new Set([one]))).toEqual({
      text: `${line}\n${two}`,
      count: 1,
    });
  });
});

describe("a copy of a key that sshd reads, however it is written,", () => {
  const numbers = [Buffer.from([1, 0, 1]), Buffer.from([0, ...Buffer.alloc(256, 0x87)])] as const;
  const rsa = keyOf("ssh-rsa", ...numbers);
  const [, blob = ""] = rsa.split(" ");
  const middle = blob.length / 2;

  // Each was accepted by OpenSSH 10.0, but the last three, which another version may accept.
  test.each([
    ["a form feed in the key", `ssh-rsa ${blob.slice(0, middle)}\f${blob.slice(middle)}`],
    ["a vertical tab before it", `ssh-rsa \v${blob}`],
    ["a carriage return after it", `restrict ssh-rsa ${blob}\r me`],
    ["the type of a signature", `rsa-sha2-512 ${blob}`],
    ["another one", `pty rsa-sha2-256 ${blob} me`],
    ["that in the key", keyOf("rsa-sha2-256", ...numbers).replace(/^\S+/, "ssh-rsa")],
    ["both", `no-pty ${keyOf("rsa-sha2-512", ...numbers).replace(/^\S+/, "rsa-sha2-256")}`],
    ["a zero byte before the exponent", keyOf("ssh-rsa", Buffer.from([0, 1, 0, 1]), numbers[1])],
    [
      "zero bytes before the modulus",
      keyOf("ssh-rsa", numbers[0], Buffer.from([...Buffer.alloc(999), ...numbers[1]])),
    ],
    ["a zero byte after its type", keyOf("ssh-rsa\0", ...numbers).replace("\0", "")],
    ["an old name of its type", `ssh-rsa ${keyOf("RSA", ...numbers).split(" ")[1]}`],
    ["another case", `tunnel="ANY" ${rsa}`],
    ["a sign", `permitopen="h:+1",permitlisten="+1",tunnel="+1" ${rsa}`],
    ["an unknown option", `no-such-option ${rsa}`],
    ["an unknown value", `permitopen="h:no-such-port" ${rsa}`],
    ["an unknown type", `restrict rsa-of-tomorrow ${blob}`],
    ["an end", `no-such-option ssh-rsa ${blob}\0`],
    // What sshd passes over in a key is none before it.
    ["a form feed in the options", `permitopen="h[:22",command="/bin/bash #\\\f" ${rsa}`],
    ["more words", `"x y ${rsa}`],
  ])("is removed: %s", (_, line) => {
    for (const end of ["", "\n", "\r\n"])
      expect(withoutKeys(`# a\n${line}${end}`, new Set([rsa]))).toMatchObject({ count: 1 });
    const [limited] = parsePublicKeys(`restrict,command="x" ${rsa}`, "f");
    if (limited === undefined) throw new Error("no key");
    expect(withLinesOf(`${line}\n`, [limited]).text).toBe(`${limited.line}\n`);
  });

  test.each([
    ["ssh-ed25519", [Buffer.alloc(32)]],
    ["ecdsa-sha2-nistp256", ["nistp256", Buffer.from([4, ...Buffer.alloc(64)])]],
    ["sk-ssh-ed25519@openssh.com", [Buffer.alloc(32), "ssh:"]],
    ["sk-ecdsa-sha2-nistp256@openssh.com", ["nistp256", Buffer.from([4, ...Buffer.alloc(64)]), "ssh:"]],
  ] as const)("is removed: %s with a zero byte after each name", (type, values) => {
    const key = keyOf(type, ...values);
    const odd = keyOf(`${type}\0`, ...values.map((one) => (typeof one === "string" ? `${one}\0` : one)));
    const line = odd.replace("\0", "");
    expect(withoutKeys(`${line}\n`, new Set([key])).count).toBe(1);
    expect(keyLinesIn(line)).toEqual([{ line, options: "", key }]);
    expect(parsePublicKeys(line, "f")).toEqual([{ line, options: "", key }]);
    // With two it is another name.
    const two = keyOf(`${type}\0\0`, ...values).replace("\0\0", "");
    expect(keyLinesIn(two)).toEqual([]);
  });

  test.each(Object.getOwnPropertyNames(Object.prototype))("is none of the type %s", (type) => {
    for (const name of [type, `${type}\0`]) {
      const line = `x ${keyOf(name, Buffer.alloc(32)).split(" ").at(-1)}`;
      expect(withoutKeys(`${line}\n`, new Set([ed25519])).count).toBe(0);
    }
  });

  test("is removed: the type of a signature of a security key in a browser", () => {
    const values = ["nistp256", Buffer.from([4, ...Buffer.alloc(64, 7)]), "ssh:"] as const;
    const key = keyOf("sk-ecdsa-sha2-nistp256@openssh.com", ...values);
    const odd = keyOf("webauthn-sk-ecdsa-sha2-nistp256@openssh.com", ...values);
    expect(withoutKeys(`${odd}\n`, new Set([key])).count).toBe(1);
    expect(keyLinesIn(odd)).toEqual([{ line: odd, options: "", key }]);
  });

  test("is the same one in a declaration", () => {
    const odd = keyOf("ssh-rsa", Buffer.from([0, 1, 0, 1]), numbers[1]);
    expect(parsePublicKeys(odd, "f")).toEqual([{ line: odd, options: "", key: rsa }]);
  });

  test.each([
    ["a comment", `# ${rsa}`],
    ["the comment of a key", `${ed25519} ${blob}`],
    ["a longer word", `ssh-rsa x${blob}`],
  ])("is none in %s", (_, line) => {
    expect(withoutKeys(line, new Set([rsa])).count).toBe(0);
  });
});
