/** A declaration is written so that it reads back the same, or a part of it is left out and named. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { type ByteString, toBytes } from "../../ffi/bytes.ts";
import { scanIni } from "../../src/config/scan.ts";
import type { DeclaredJail, DeclaredUser } from "../../src/declaration/model.ts";
import { declarationIn } from "../../src/declaration/read.ts";
import { declarationText } from "../../src/declaration/write.ts";
import { readKeyLine } from "../../src/users/key-lines.ts";
import { meant } from "../declared.ts";

setDefaultTimeout(60_000);

const place = { file: "", line: 0, column: 0 };

const jailOf = (path: ByteString, more: Partial<DeclaredJail> = {}): DeclaredJail => ({
  ...{ path, place, sections: [], files: [], live: undefined, logSocket: undefined, proc: undefined },
  ...more,
});

const userOf = (name: ByteString, more: Partial<DeclaredUser> = {}): DeclaredUser => ({
  ...{ name, place, jail: "/srv/a", shell: "/bin/bash", home: `/home/${name}`, directory: false },
  ...{ uid: undefined, comment: undefined, groups: [], keys: undefined, policy: undefined },
  ...more,
});

const entry = (key: ByteString, value: ByteString) => ({
  ...{ ...place, key, value, valueColumn: 0, pieces: undefined, inherited: false },
});

/** A key of OpenSSH with a number in it. */
function keyOf(number: number, before = "", after = "") {
  const type = "ssh-ed25519";
  const blob = Buffer.alloc(4 + type.length + 4 + 32);
  blob.writeUInt32BE(type.length, 0);
  blob.write(type, 4);
  blob.writeUInt32BE(32, 4 + type.length);
  blob.writeUInt32BE(number, 8 + type.length);
  const line = `${before}${type} ${blob.toString("base64")}${after}`;
  const read = readKeyLine(line);
  if (read === undefined || "problem" in read) throw new Error(`no key: ${line}`);
  return read;
}

function write(jails: readonly DeclaredJail[], users: readonly DeclaredUser[]) {
  const { jails: parts, leftOut } = declarationText({ jails, users });
  const text = parts.map((part) => part.text).join("\n");
  const { declaration, problems } = declarationIn(scanIni(toBytes(text), "f", "plain"));
  return { text, leftOut, problems, ...meant(declaration.jails, declaration.users) };
}

const bytes = fc.string({
  unit: fc.oneof(
    fc.constantFrom(..."\n\r\t ,;#[]=/\\\"'%:\0\x1b\x7f\xc3\xa4\xff"),
    fc.integer({ min: 33, max: 126 }).map((code) => String.fromCharCode(code)),
  ),
  maxLength: 12,
});

describe("what can be written reads back the same", () => {
  const word = fc.stringMatching(/^[a-z][a-z0-9_.-]{0,8}$/);
  const path = fc.array(word, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join("/")}`);
  const jail = fc.record({
    path: path.map((one) => `/srv${one}`),
    sections: fc.uniqueArray(word, { maxLength: 4 }),
    files: fc.uniqueArray(fc.oneof(path, word), { maxLength: 4 }),
    live: fc.option(fc.constantFrom(["/usr"], ["/usr/local", "/opt/x"]), { nil: undefined }),
    logSocket: fc.option(fc.boolean(), { nil: undefined }),
    proc: fc.option(fc.boolean(), { nil: undefined }),
  });
  const limits = [entry("network", "none"), entry("limits", "nofile 64, core 0")];
  const rights = [
    entry("allow", "rsync download"),
    entry("read", "~, /srv"),
    entry("command a.b", "cat ~/x"),
  ];
  const choice = fc.constantFrom(
    { shell: "/bin/bash", policy: undefined },
    { shell: "/bin/bash", policy: limits },
    { shell: "/usr/sbin/jk_lsh", policy: undefined },
    { shell: "/usr/sbin/jk_lsh", policy: rights },
    { shell: "/usr/local/sbin/jk_lsh", policy: rights },
  );
  const user = fc.record({
    name: word,
    home: fc.option(path, { nil: undefined }),
    comment: fc.option(fc.stringMatching(/^[A-Z][a-z]{0,5}(?: [a-z]{1,5}\xc3\xa4){0,2}$/), {
      nil: undefined,
    }),
    groups: fc.uniqueArray(fc.oneof(word, fc.constant("domain users")), { maxLength: 3 }),
    keys: fc.option(
      fc
        .uniqueArray(fc.nat(99), { minLength: 1, maxLength: 3 })
        .map((numbers) =>
          numbers.map((number) =>
            keyOf(
              number,
              number % 2 ? 'no-pty,command="echo \\"a, b\\" # = [x]" ' : "",
              number % 3 ? " a; b" : "",
            ),
          ),
        ),
      { nil: undefined },
    ),
    directory: fc.boolean(),
    choice,
  });

  test("random declarations", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(jail, { selector: (one) => one.path, maxLength: 3 }),
        fc.uniqueArray(user, { selector: (one) => one.name, maxLength: 4 }),
        (jails, users) => {
          const declared = users.map(({ name, choice: { shell, policy }, home, ...user }, index) =>
            userOf(name, {
              ...user,
              ...{ shell, policy, jail: jails[0]?.path ?? "/srv/a", home: home && `${home}/${index}` },
              ...(home === undefined ? { home: `/home/${name}` } : {}),
              ...(user.directory ? { comment: undefined } : { uid: 1000 + index }),
            }),
          );
          const all = jails.map((one) => jailOf(one.path, one));
          const { text: _, ...read } = write(all, declared);
          expect(read).toEqual({ leftOut: [], problems: [], ...meant(all, declared) });
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe("what cannot be written is left out", () => {
  test("whatever the bytes, no line is wrong", () => {
    const path = bytes.map((one) => `/srv/${one}`);
    const few = { maxLength: 3 };
    const texts = fc.array(bytes, few);
    const jail = fc.record({
      path,
      sections: texts,
      files: fc.array(fc.oneof(bytes, path), few),
      live: texts,
    });
    const user = fc.record({
      ...{ name: bytes, jail: path, shell: path, home: path, comment: bytes, groups: texts },
      uid: fc.nat(),
      keys: fc.array(
        bytes.map((text) => ({ ...keyOf(1), line: `${keyOf(1).line} ${text}` })),
        few,
      ),
      policy: fc.array(fc.tuple(fc.oneof(bytes, fc.constant("allow"), fc.constant("network")), bytes), few),
    });
    fc.assert(
      fc.property(fc.array(jail, few), fc.array(user, few), (jails, users) => {
        const declared = users.map((one) =>
          userOf(one.name, { ...one, policy: one.policy.map(([key, value]) => entry(key, value)) }),
        );
        const read = write(
          jails.map((one) => jailOf(one.path, one)),
          declared,
        );
        // Two jails of one path are no declaration.
        const paths = jails.map((one) => one.path);
        if (new Set(paths).size === paths.length) expect(read.problems).toEqual([]);
        const wanted = meant([], declared).users;
        for (const found of read.users) {
          const whole = wanted.find((one) => one.name === found.name && one.home === found.home);
          expect(whole).toMatchObject({ jail: found.jail, shell: found.shell, uid: found.uid ?? whole?.uid });
          if (found.policy !== undefined) expect(whole?.policy).toEqual(found.policy);
        }
      }),
      { numRuns: 200 },
    );
  });

  test.each([
    [jailOf("/srv/a\n[user root]"), "jail '/srv/a\\n[user root]': "],
    [jailOf("/srv/a]\n[jail /srv/c"), "jail '/srv/a]\\n[jail /srv/c': "],
    [jailOf("/srv/a", { files: ["/bin/a,b"] }), "jail '/srv/a': file '/bin/a,b': "],
    [jailOf("/srv/a", { sections: ["x", "x y\nproc = 1"] }), "jail '/srv/a': section 'x y\\nproc = 1': "],
  ])("in a jail: %#", (jail, message) => {
    const { leftOut, problems, text } = write([jail, jailOf("/srv/b")], []);
    expect([leftOut.length, problems]).toEqual([1, []]);
    expect(leftOut[0]).toStartWith(`left out: ${message}`);
    expect(text).toStartWith("# left out: ");
  });

  test.each([
    [{ home: "/home/a\nuid = 0" }, "'uid' is indented", 0],
    [{ home: "/bin" }, "'home': ", 0],
    [{ shell: "/bin/sh # x" }, "", 0],
    [{ comment: " x" }, "comment: it cannot be written so that it reads the same", 1],
    [{ comment: "x: y" }, "comment: 'comment': ", 1],
    [{ groups: ["a", "b,c"] }, "group 'b,c': ", 1],
    [{ uid: 0 }, "uid: 'uid': ", 1],
    [
      { shell: "/usr/sbin/jk_lsh", policy: [entry("allow", "sftp"), entry("paths", "/a\x01")] },
      "what it may do: ",
      1,
    ],
    [{ shell: "/usr/sbin/jk_lsh", policy: [entry("paths", "/a")] }, "what it may do: ", 1],
    // The session would have no limits.
    [{ policy: [entry("network", "none"), entry("limits", "x")] }, "", 0],
    [{ keys: [keyOf(1), { ...keyOf(2), line: `${keyOf(2).line}\n[user root]` }] }, "key 'ssh-ed25519 ", 1],
  ] as const)("of a user: %#", (more, message, count) => {
    const { leftOut, problems, users, text } = write([], [userOf("anna", more)]);
    expect([leftOut.length, problems, users.length]).toEqual([1, [], count]);
    expect(leftOut[0]).toStartWith(`left out: user 'anna': ${message}`);
    expect(text).toStartWith("# left out: ");
    expect(users[0]?.policy).toBeUndefined();
    if (count === 1 && "policy" in more) expect(text).toContain("\nshell = /usr/sbin/jk_lsh\n");
  });

  test("a user who shares a home or a uid with an earlier one", () => {
    const users = [userOf("a", { uid: 7 }), userOf("b", { uid: 7 }), userOf("c", { home: "/home/a" })];
    const { leftOut, users: read } = write([jailOf("/srv/a")], users);
    expect(leftOut).toEqual([
      "left out: user 'b': its uid, 7, is that of 'a'",
      "left out: user 'c': its home is that of 'a'",
    ]);
    expect(read.map(({ name }) => name)).toEqual(["a"]);
  });
});
