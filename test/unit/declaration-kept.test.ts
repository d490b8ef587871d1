/** Whatever a file declares is refused when it is read, with its line, or can be kept in declared.json and read again. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type ByteString, toBytes } from "../../ffi/bytes.ts";
import { JailkitError } from "../../src/cli/error.ts";
import { scanIni } from "../../src/config/scan.ts";
import { Memory } from "../../src/declaration/memory.ts";
import type { Declaration } from "../../src/declaration/model.ts";
import { NOTHING, onceFrom, onceText } from "../../src/declaration/once.ts";
import { requireRoom } from "../../src/declaration/once-full.ts";
import type { Once } from "../../src/declaration/once-shape.ts";
import { declarationIn } from "../../src/declaration/read.ts";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEGGvDPaGZLNF4BLMyIR0NNBVcL9zNTjTe1dUcTcfFPO";
/** A comparison with a machine that has all of it. */
const THERE = { jails: [], settledLeft: [], forgotten: [], letGo: [], out: [] };

/** What is remembered of a file; undefined if it is refused. */
function remembered(text: ByteString, file: ByteString): Once | undefined {
  const { declaration, problems } = declarationIn(scanIni(toBytes(text), file, "plain"));
  if (problems.length > 0) {
    expect(problems.map((one) => [one.file, one.line > 0])).toEqual(problems.map(() => [file, true]));
    return undefined;
  }
  const memory = new Memory(NOTHING, NOTHING, (operand) => operand);
  memory.declare(declaration, THERE);
  return memory.all();
}

/** The same, after it was written and read; it is what it was. */
function expectKept(once: Once | undefined): void {
  if (once !== undefined) expect(onceFrom(toBytes(onceText(once)))).toEqual(once);
}

const CONTROLS = Array.from({ length: 31 }, (_, at) => String.fromCharCode(at + 1)).join("");

describe("the name of a file", () => {
  test.each([
    ["a tab", "new\tcustomer.ini"],
    ["a line feed", "new\ncustomer.ini"],
    ["an escape sequence", "\x1b[31mred.ini"],
    ["all control characters", `${CONTROLS}\x7f.ini`],
    ["a control character beside other bytes", "\xf0\x9f\x90\x89\t\x80\xed\xb0\x89\x7f\xff.ini"],
  ])("with %s is kept", (_, name) => {
    const file = `/etc/jailkit/jails.d/${name}`;
    const once = remembered("[jail /srv/j]\n[user eve]\njail = /srv/j\nshell = /bin/sh\n", file);
    expect([once?.jails[0]?.file, once?.users[0]?.file]).toEqual([file, file]);
    expectKept(once);
    const [text = ""] = once === undefined ? [] : [onceText(once)];
    // As an earlier version reads it: one whose texts have no control character.
    expect(text.match(/\\u00[01]|[\x01-\x09\x0b-\x1f\x7f]/)).toBeNull();
  });
});

test("a name of a section that jk_init.ini cannot have is refused in its line", () => {
  const declared = (name: string) =>
    declarationIn(scanIni(toBytes(`[jail /srv/j]\nsections = sftp, ${name}\n`), "f", "plain")).problems;
  expect(declared("x".repeat(1024))).toEqual([]);
  expect(declared("x".repeat(1025))).toMatchObject([{ line: 2, column: 18, code: "too-long" }]);
});

const byte = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(..."ab/.-_ ") },
  {
    weight: 2,
    arbitrary: fc.constantFrom("\t", "\\", "\xe2\x80\x8b", "\xc3\xa9", "#", ";", ",", ":", '"', "%", "="),
  },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)) },
);
const short = fc.array(byte, { minLength: 1, maxLength: 8 }).map((all) => all.join(""));
const text = fc.oneof(
  { weight: 6, arbitrary: short },
  {
    weight: 1,
    arbitrary: fc
      .tuple(short, fc.constantFrom(200, 1000, 5000, 20_000))
      .map(([one, times]) => one.repeat(times).slice(0, 60_000)),
  },
);
const one = fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: text });
const list = fc.oneof(
  fc.constant(undefined),
  fc.constant(undefined),
  fc.constant(undefined),
  fc.array(text, { minLength: 1, maxLength: 4 }).map((all) => all.join(",\n ")),
  fc
    .integer({ min: 1, max: 300 })
    .map((count) => Array.from({ length: count }, (_, at) => `x${at}`).join(", ")),
);
const fileName = fc
  .array(byte, { minLength: 1, maxLength: 20 })
  .map((all) => all.join("").replace(/[/\0]/g, "x"));
const lines = (keys: Readonly<Record<string, string | undefined>>) =>
  Object.entries(keys)
    .flatMap(([key, value]) => (value === undefined ? [] : `${key} = ${value}\n`))
    .join("");

test("anything else that can be read is kept, too", () => {
  const strange = fc.record({
    file: fileName,
    path: one,
    jail: fc.record({ sections: list, files: list, live: list }),
    name: one,
    user: fc.record({ jail: one, home: one, shell: one, comment: one, groups: list, authorized_keys: one }),
  });
  let kept = 0;
  fc.assert(
    fc.property(strange, ({ file, path = "", jail, name = "eve", user }) => {
      const place = { ...user, jail: user.jail === undefined ? "/srv/j" : `/srv/${user.jail}` };
      const paths = { home: user.home && `/home/${user.home}`, shell: `/bin/${user.shell ?? "sh"}` };
      const keys = user.authorized_keys && { authorized_keys: `${KEY} ${user.authorized_keys}` };
      const whole = `[jail /srv/j${path}]\n${lines(jail)}[user ${name}]\n${lines({ ...place, ...paths, ...keys })}`;
      const once = remembered(whole, `/etc/jailkit/jails.d/${file}.ini`);
      if (once !== undefined) kept++;
      expectKept(once);
    }),
    { numRuns: 100 },
  );
  expect(kept).toBeGreaterThan(10);
}, 60_000);

describe("what makes room", () => {
  const read = (text: string, file = "/etc/jailkit/jails.d/a.ini") => {
    const { declaration } = declarationIn(scanIni(toBytes(text), file, "plain"));
    return { ...declaration, files: [file] };
  };
  const J = "[jail /srv/j]\n";
  const user = (name: string, more = "") => `[user ${name}]\njail = /srv/j\nshell = /bin/sh\n${more}`;
  const sums = Array.from({ length: 1 << 16 }, (_, at) => `${at}`.padStart(64, "0"));

  /** What is said of a declaration after another one, of which each user had `keys`. */
  function said(
    before: string,
    now: string | Declaration,
    { keys = sums, file }: { keys?: string[]; file?: string } = {},
  ) {
    const was = new Memory(NOTHING, NOTHING, (operand) => operand);
    was.declare(read(before, file), THERE);
    const once = was.all();
    const written = { ...once, users: once.users.map((one) => ({ ...one, keys })) };
    const memory = new Memory(written, written, (operand) => operand);
    const declaration = typeof now === "string" ? read(now, file) : now;
    memory.declare(declaration, THERE);
    try {
      const [all, pathOf] = [memory.all(), (operand: ByteString) => operand];
      requireRoom({ declaration, beside: undefined, written }, { all, pathOf });
    } catch (error) {
      if (error instanceof JailkitError) return [error.code, error.message, error.remedy];
      throw error;
    }
    return undefined;
  }
  const WHY = "what is declared cannot be kept: 'eve': keys has more than 65536 items";
  const EVE = user("eve", `authorized_keys = ${KEY}\n`);

  test("is --prune, if that takes nothing away", () => {
    const advice =
      "what is not declared any more is forgotten with: jailkit apply --prune; declare what is new after that";
    expect(said(J + EVE, J + EVE)).toEqual(["state-full", `${WHY}; ${advice}`, "jailkit apply --prune"]);
  });

  test("of files that are named, it is with these", () => {
    const [, message, remedy] = said(J + EVE, J + EVE, { file: "/root/a b.ini" }) ?? [];
    expect(remedy).toBe("jailkit apply --prune '/root/a b.ini'");
    expect(message).toContain(`with: ${remedy}; declare`);
  });

  test("is said with what goes, and is no remedy to type, if it takes away an account or a jail", () => {
    const many = ["bert", "carl", "dora", "emil", "fritz", "gerd"];
    const gone = `${many.map((name) => user(name)).join("")}[jail /srv/old]\n`;
    const advice =
      "what is not declared any more is forgotten with: jailkit apply --prune, which also takes away what is there of it (user bert, user carl, user dora, user emil, user fritz, 2 more); declare what is new after that";
    expect(said(J + EVE + gone, J + EVE)).toEqual(["state-full", `${WHY}; ${advice}`, ""]);
  });

  test("is to declare less, if it is too much without what was declared once", () => {
    const groups = Array.from({ length: 65_537 }, (_, at) => `group-${at}`);
    const one = read(J + user("eve"));
    const users = one.users.map((user) => ({ ...user, groups }));
    expect(said(J, { ...one, users })).toEqual([
      "state-full",
      "what is declared cannot be kept: 'eve': groups has more than 65536 items; so it is without what is not declared any more, too: declare less",
      "",
    ]);
    // Each group is asked for: seconds, and more beside other tests.
  }, 60_000);
});
