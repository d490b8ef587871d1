/** The remedies of a declaration with a mistake in it, one after another, end in what was meant, and throw nothing away. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { toBytes, utf8 } from "../../ffi/bytes.ts";
import { adviceText } from "../../src/cli/remedy.ts";
import { fixText, itemChanges } from "../../src/config/fixes.ts";
import { LIMITS } from "../../src/config/model.ts";
import { scanIni } from "../../src/config/scan.ts";
import { declaredUserKeys, jailKeys } from "../../src/config/schemas/jails.ts";
import { declarationIn } from "../../src/declaration/read.ts";

const FILE = "/etc/jailkit/jails.d/own.ini";
const MOST = 20;
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOZQo3j7fvlQ4Fx7TpbzkdbtGwQkIOdSBvXzJPn1Qbjy";
const OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILdp94oAnvb+ufHoyHXb8aLddJm2h/FMX83n/z1CiKaH";

function problemsIn(text: string) {
  const ini = scanIni(toBytes(text), FILE, "plain");
  const { problems } = declarationIn(ini);
  const items = itemChanges(problems);
  return problems.map((one) => ({ ...one, remedy: fixText(one, { ...ini, items }) }));
}

/** The text after a remedy was typed. */
function afterRemedy(text: string, remedy: string): string {
  const [, number, lines = ""] = /^write in line (\d+) of [^\n]*:\n([\s\S]*)$/.exec(remedy) ?? [];
  if (number !== undefined)
    return text
      .split("\n")
      .with(Number(number) - 1, lines)
      .join("\n");
  const [, expression] = /^sed -i '(\d+(?:\{(?:N;)+[^']*\}|s\/\\x[^']*))' /.exec(remedy) ?? [];
  if (expression !== undefined)
    return Bun.spawnSync(["sed", expression], { stdin: toBytes(text) }).stdout.toString("latin1");
  const [, first, last = first] = /^sed -i '(\d+)(?:,(\d+))?s\/\^\/#\/' /.exec(remedy) ?? [];
  if (first === undefined) throw new Error(`cannot type ${remedy}`);
  const isIn = (index: number) => index + 1 >= Number(first) && index < Number(last);
  return text
    .split("\n")
    .map((line, index) => (isIn(index) ? `#${line}` : line))
    .join("\n");
}

/** What is left when each remedy was typed, the first one of the file each time: the text, and the problems without one. */
function healed(text: string): { text: string; left: string[] } {
  for (let count = 0; count < MOST; count++) {
    const problems = problemsIn(text);
    const remedy = problems.find((one) => one.remedy !== undefined)?.remedy;
    if (remedy === undefined) return { text, left: problems.map(({ line, code }) => `${line} ${code}`) };
    text = afterRemedy(text, adviceText(remedy));
  }
  throw new Error(`no end of the remedies: ${text}`);
}

const JAIL = "[jail /srv/t]\nsections = uidbasics\n";
const user = (name: string, more = "") => `[user ${name}]\njail = /srv/t\nshell = /bin/bash\n${more}`;

describe("a key that was pasted over several lines is one again", () => {
  const before = `${JAIL}${user("ta")}`;
  const whole = `${before}authorized_keys = ${KEY} ta@laptop\ngroups = jailed\n`;
  test.each(["", "    "])("with %j before the next lines", (indent) => {
    for (const places of [[40], [16, 40], [30, 55], [75]]) {
      let text = whole;
      const start = text.indexOf(KEY);
      for (const at of places.toReversed())
        text = `${text.slice(0, start + at)}\n${indent}${text.slice(start + at)}`;
      const first = problemsIn(text).filter(({ code }) => code === "bad-key");
      expect([places, first.length, first[0]?.message]).toEqual([
        places,
        1,
        `'authorized_keys', lines 6 to ${6 + places.length} are one key: write it in one line`,
      ]);
      const lines = "\n".repeat(places.length);
      const meant = whole.replace(" ta@laptop\n", ` ta@laptop\n${lines}`);
      expect(healed(text)).toEqual({ text: meant, left: [] });
    }
  });

  test("two keys are two, and half a key is not the other one's", () => {
    const text = `${before}authorized_keys =\n  ${KEY.slice(0, 50)}\n  ${OTHER}\n`;
    expect(problemsIn(text).map(({ message }) => message)).toEqual([
      "'authorized_keys', line 7: the key is damaged or was cut off",
    ]);
  });
});

test.each([
  `[user\u00a0ta]\njail = /srv/t\nshell = /bin/bash\n`,
  `[user ta]\njail = /srv/t\nshell\u00a0=\u00a0/bin/bash\n`,
  `[user ta]\njail =\u202f/srv/t\nshell = /bin/bash\n`,
  `[user ta]\njail = /srv/t\nshell = /bin/bash\nauthorized_keys = ${KEY.replace(" ", "\u00a0")} home\n`,
])("a blank of a web page becomes one of the keyboard: %j", (text) => {
  const meant = text.replace(/[\u00a0\u202f]/g, " ");
  expect(healed(utf8(text))).toEqual({ text: meant, left: [] });
});

test("a comment about somebody may have such a blank", () => {
  const text = `${JAIL}${user("ta", "comment = A\u00a0B\n")}`;
  expect(problemsIn(utf8(text))).toEqual([]);
});

test.each([
  "sections =\n- basicshell\n- sftp\n",
  "sections:\n- basicshell\n- sftp\n",
  "sections =\n  - basicshell\n  - sftp\n",
  "sections: \n    -  basicshell\n    - sftp\n",
])("a list as in YAML becomes one line: %j", (list) => {
  const before = "[jail /srv/t]\n";
  const after = "log_socket = 1\n";
  expect(problemsIn(before + list + after).map(({ line, message }) => [line, message])).toEqual([
    [2, "'sections', lines 2 to 4: a list is one line, with commas"],
  ]);
  expect(healed(before + list + after)).toEqual({
    text: `${before}sections = basicshell, sftp\n\n\n${after}`,
    left: [],
  });
});

test("a key below one that was broken still belongs to it", () => {
  const broken = `${JAIL}${user("ta")}authorized_keys =\n  ${KEY.slice(0, 50)}\n  ${KEY.slice(50)}\n  ${OTHER}\n`;
  const { text, left } = healed(broken);
  expect(left).toEqual([]);
  const [declared] = declarationIn(scanIni(toBytes(text), FILE, "plain")).declaration.users;
  expect(declared?.keys?.map(({ key }) => key)).toEqual([KEY, OTHER]);
});

test("all remedies of a report help, typed one after the other: none moves the lines of the next one", () => {
  const broken = `authorized_keys = ${KEY.slice(0, 50)}\n${KEY.slice(50)}\n`;
  const text = `[jail /srv/t]\nsections =\n- basicshell\n- sftp\n${user("ta", broken)}${user("tb", broken)}`;
  const remedies = problemsIn(text).map(({ remedy }) => adviceText(remedy ?? ""));
  expect(remedies).toHaveLength(3);
  const key = `authorized_keys = ${KEY}\n\n`;
  expect(remedies.reduce(afterRemedy, text)).toBe(
    `[jail /srv/t]\nsections = basicshell, sftp\n\n\n${user("ta", key)}${user("tb", key)}`,
  );
});

describe("a header without its brackets", () => {
  const before = `${JAIL}${user("ta", "groups = jailed\n")}`;
  const headers: [string, string][] = [
    ...["user tb]", "user tb", "(user tb)", "{user tb}", "User tb]", "usr tb]", "user: tb", "users tb"],
    ...["[user tb", "[user tb)", "[[user tb]]", "[user tb]]", "  [user tb]", "  user tb]", "  [user tb"],
    ...['"[user tb]"', "- [user tb]", "[usr tb", "[ user tb ]", "[user  tb]"],
  ].map((line) => [line, "[user tb]"]);
  headers.push(
    ["user tb] # the second", "[user tb]\n# the second"],
    ["[user tb] # the second", "[user tb]\n# the second"],
    ["[user tb]# the second", "[user tb]\n# the second"],
    ["[user tb] uid = 2001", "[user tb]\nuid = 2001"],
  );
  test.each(headers)("%s", (line, header) => {
    const meant = user("tb").replace("[user tb]", header);
    const written = user("tb").replace("[user tb]", line);
    expect(healed(before + written)).toEqual({ text: before + meant, left: [] });
    // The first line of the file, too: there is no value that it could go on with.
    const first = healed(written + before);
    expect({ ...first, text: first.text.trimStart() }).toEqual({ text: meant + before, left: [] });
  });

  test.each([
    "jail /srv/u]",
    "jail /srv/u",
    "(jail /srv/u)",
    "jail: /srv/u",
    "[jail /srv/u",
    "[jail/srv/u]",
    "[/srv/u",
  ])("%s", (line) => {
    const after = "sections = uidbasics\nlive = /usr\n";
    expect(healed(`${before}${line}\n${after}`)).toEqual({
      text: `${before}[jail /srv/u]\n${after}`,
      left: [],
    });
    expect(healed(`${line}\n${after}${before}`).text).toBe(`[jail /srv/u]\n${after}${before}`);
  });
});

describe("a name of a section that is too long is told once, and no line becomes one of another section", () => {
  const before = `${JAIL}${user("ta")}`;
  const long = "n".repeat(LIMITS.nameBytes);
  test.each([
    ["user", `[user ${long}]\njail = /srv/u\nallow = sftp\ngroups = users,\n  jailed\n`],
    ["jail", `[jail /srv/${"directory/".repeat(110)}u]\nsections = sftp\nproc = 1\n`],
    ["jail that no file has", `[jail ${"/directory".repeat(410)}]\nsections = sftp\nproc = 1\n`],
    ["thing", `[${long}n]\nuid = 2001\n`],
    ["user with a comment", `[user tb # ${long}]\nuid = 2001\n`],
  ])("of a %s", (_, text) => {
    for (const after of ["", JAIL.replace("/t", "/u"), user("tb")]) {
      const whole = before + text + after;
      expect(healed(whole)).toEqual({ text: whole, left: ["6 too-long"] });
      expect(problemsIn(whole)[0]?.message).toBe(
        "a section name over 1024 bytes: write [jail PATH] or [user NAME] with a shorter one",
      );
    }
  });
});

test("a section that becomes a comment ends before a header with a mistake", () => {
  for (const header of ["user ta]", "user ta", "usr ta]", "(user ta)", "[user ta"])
    expect(healed(`${JAIL}${JAIL}${user("ta").replace("[user ta]", header)}`)).toEqual({
      text: `${JAIL}${JAIL.replace(/^(?=.)/gm, "#")}${user("ta")}`,
      left: [],
    });
});

describe("a value that is too long is told once, and stays", () => {
  const long = "v".repeat(LIMITS.valueBytes + 1);
  const keys = [
    ...Object.keys(jailKeys).map((key) => ["jail", key] as const),
    ...Object.keys(declaredUserKeys).map((key) => ["user", key] as const),
  ];
  test.each(keys)("of a section of a %s: %s", (kind, key) => {
    const own = ["jail = /srv/t", key === "shell" ? "" : "allow = sftp"];
    const rest = kind === "jail" ? [] : own.filter((line) => !line.startsWith(`${key} `));
    const name = key === "command" ? "command x" : key;
    const text = `${JAIL}[${kind} ${kind === "jail" ? "/srv/u" : "ta"}]\n${name} = ${long}\n${rest.join("\n")}\n`;
    const found = problemsIn(text).map(({ line, code, remedy }) => [line, code, remedy]);
    expect(found).toEqual([[4, "too-long", undefined]]);
  });

  test("whatever is in it", () => {
    const item = "a".repeat(300);
    const many = (between: string) => `b${`${item}${between}`.repeat(LIMITS.valueBytes / 300)}b`;
    for (const value of [many(", "), many(" b,"), many("\n  "), many(" # "), `${KEY}\n  ${many(" ")}`])
      for (const text of [
        `[jail /srv/t]\nsections = ${value}\n`,
        `[jail /srv/t]\nfiles = ${value}\n`,
        user("ta", `groups = ${value}\n`),
        user("ta", `authorized_keys = ${value}\n`),
      ]) {
        const found = problemsIn(text).map(({ code }) => code);
        expect(found).toEqual(["too-long"]);
      }
  }, 60_000);

  test("with a comment, whose line of passwd(5) it makes too long", () => {
    const text = `${JAIL}[user ta]\njail = /${long}\nshell = /bin/bash\ncomment = A\n`;
    expect(problemsIn(text).map(({ line, code }) => `${line} ${code}`)).toEqual(["4 too-long"]);
  });

  test("that of a key which there is not has the key's remedy", () => {
    const [near, other] = ["tcp_conect", "colour"].map((key) =>
      problemsIn(user("ta", `${key} = ${long}\n`)).map(({ code, remedy }) => [code, remedy]),
    );
    expect([near, other]).toEqual([
      [["unknown-key", undefined]],
      [["unknown-key", `sed -i '4s/^/#/' ${FILE}`]],
    ]);
  });
});

test("the word jail and a path are the key of a user who has none yet", () => {
  for (const line of ["jail /srv/t", "jail: /srv/t"])
    expect(healed(`${JAIL}[user ta]\n${line}\nshell = /bin/bash\n`)).toEqual({
      text: `${JAIL}${user("ta")}`,
      left: [],
    });
});

describe("nobody but who wrote it knows what is to be done with", () => {
  test.each<[string, string, string[]]>([
    ["[DEFAULT]", "[DEFAULT]\njail = /srv/t\n", ["1 unknown-section"]],
    ["[DEFAULT] of other keys", "[DEFAULT]\nconfine = require\n", ["1 unknown-section"]],
    ["another section", "[jailer]\nproc = 1\n", ["1 unknown-section"]],
    ["a header without a name", "[]\njail = /srv/t\nshell = /bin/bash\n", ["1 bad-header"]],
  ])("%s", (_what, text, left) => {
    expect(healed(text)).toEqual({ text, left });
  });
});

describe("a value with a mistake is written as it was meant", () => {
  const inJail = (lines: string) => `[jail /srv/t]\n${lines}\n`;
  const inUser = (lines: string) => user("ta", `${lines}\n`);
  const limited = (lines: string) => `[user ta]\njail = /srv/t\nallow = sftp\n${lines}\n`;
  test.each<[string, string]>([
    [inJail("live = /usr/"), inJail("live = /usr")],
    [inJail("live = /usr /opt"), inJail("live = /usr, /opt")],
    [inJail("live = usr opt/tool/"), inJail("live = /usr, /opt/tool")],
    [inJail("live = /usr,\n  /opt/"), inJail("live = /usr,\n  /opt")],
    [inJail("live = /usr\n  /opt"), inJail("live = /usr,\n  /opt")],
    [inJail("live = /usr // all programs"), inJail("# all programs\nlive = /usr")],
    [inJail("live = /usr\n// all programs\nproc = 1"), inJail("live = /usr\n# all programs\nproc = 1")],
    [inJail("live = /usr,\n// more\n  /opt"), inJail("live = /usr,\n# more\n  /opt")],
    [inJail("live = /usr,\n  // more\n  /opt"), inJail("live = /usr,\n# more\n  /opt")],
    [inJail("files = usr/bin/git"), inJail("files = /usr/bin/git")],
    [inJail("proc = yes // needed"), inJail("# needed\nproc = yes")],
    ["[jail srv/t]\nproc = 1\n", inJail("proc = 1")],
    ["[jail srv/t/]\nproc = 1\n", inJail("proc = 1")],
    ["[jail /srv/t # web]\nproc = 1\n", inJail("# web\nproc = 1")],
    ["[user ta # anna]\njail = /srv/t\nshell = /bin/bash\n", user("ta").replace("]", "]\n# anna")],
    [user("ta").replace("/srv", "srv"), user("ta")],
    [user("ta").replace("/bin", "bin"), user("ta")],
    [user("ta").replace("/bin/", ""), user("ta")],
    [user("ta").replace("/bash", "/bash // as before"), user("ta").replace("shell", "# as before\nshell")],
    [inUser("home = home/ta"), inUser("home = /home/ta")],
    [limited("limits = nprc 64"), limited("limits = nproc 64")],
    [limited("limits = NPROC 64, nofile=256"), limited("limits = nproc 64, nofile 256")],
    [limited("limits = nproc 64 nofile 256"), limited("limits = nproc 64, nofile 256")],
    [limited("limits = nproc: 64; fsize 2G"), limited("limits = nproc 64, fsize 2G")],
    [limited("executables = bin/ls, /bin/cat/"), limited("executables = /bin/ls, /bin/cat")],
    [inJail("live = /ur"), inJail("live = /usr")],
    [inJail("proc = ye"), inJail("proc = yes")],
    [inJail("secti:ns = uidbasics"), inJail("sections = uidbasics")],
    [inUser("home: = /data"), inUser("home = /data")],
    [
      inUser("groups = users\n\nthe second user\n\n[user tb]\njail = /srv/t\nallow = sftp"),
      inUser("groups = users\n\n#the second user\n\n[user tb]\njail = /srv/t\nallow = sftp"),
    ],
    [user("ta").replace("[user ta", "[us#r ta"), user("ta")],
    [user("ta").replace("[user ta", "[user(ta"), user("ta")],
    [user("ta").replace("[user ta", "[use{r ta"), user("ta")],
    [inJail("proc = 1").replace("[jail", "[ja'il"), inJail("proc = 1")],
    [inUser("uid = 2001\nuid = 2001"), inUser("uid = 2001\n#uid = 2001")],
    [
      inUser(`authorized_keys = ${KEY} laptop\n  ${KEY} home\n  ${OTHER}`),
      inUser(`authorized_keys = ${KEY} laptop\n#  ${KEY} home\n  ${OTHER}`),
    ],
  ])("%j", (text, meant) => {
    expect(healed(text)).toEqual({ text: meant, left: [] });
  });

  test.each<[string, string[]]>([
    [inJail("files = tool/../x"), ["2 bad-path"]],
    [user("ta").replace("/bin/bash", "tool"), ["3 bad-path"]],
    [limited("limits = rss 64"), ["4 bad-value"]],
    [inJail("live = /home"), ["2 bad-path"]],
    [inJail("proc = maybe"), ["2 bad-value"]],
    [user("ta").replace("user ta", "us er ta"), ["1 unknown-section"]],
    [user("ta").replace("/srv/t", "/s\nrv/t"), ["3 stray-text"]],
    [inJail("sections = a\nb,\n  c"), ["3 stray-text", "4 stray-text"]],
    [limited("limits = xyz 64, nproc"), ["4 bad-value", "4 bad-value"]],
    [inUser("groups = users\ngroups = audio"), ["5 duplicate-key"]],
    [inUser(`authorized_keys = ${KEY}\n  restrict ${KEY}`), ["5 bad-key"]],
    [limited("allow = sfpt").replace("allow = sftp\n", ""), ["3 bad-value"]],
  ])("of %j nobody else knows what was meant, and nothing of it goes", (text, left) => {
    expect(healed(text)).toEqual({ text, left });
  });
});

test("a letter that is wrong, missing or too much: the remedies end, and leave all other lines as they are", () => {
  const text = `${JAIL}live = /usr\nproc = yes\n\n${user("ta", `groups = jailed,\n  users\nauthorized_keys = ${KEY}\n`)}
# the second
[user tb]
jail = /srv/t
allow = sftp
read = /data, /pub
limits = nproc 64, nofile 256
`;
  const lines = text.split("\n");
  const sign = fc.constantFrom(...`[](){}<>=:,;#/ \t"'\\-.a1`);
  const typo = fc.record({
    line: fc.integer({ min: 0, max: lines.length - 1 }),
    part: fc.double({ min: 0, max: 1, noNaN: true }),
    signs: fc.oneof(
      fc.constant(""),
      sign,
      fc.tuple(sign, sign).map((two) => two.join("")),
    ),
    removed: fc.integer({ min: 0, max: 2 }),
  });
  fc.assert(
    fc.property(typo, ({ line, part, signs, removed }) => {
      const old = lines[line] ?? "";
      const at = Math.floor(part * old.length);
      const { text: end } = healed(
        lines.with(line, `${old.slice(0, at)}${signs}${old.slice(at + removed)}`).join("\n"),
      );
      // A comma at its end changes nothing of a line; one that goes on with a key that is unknown now is a comment with it.
      const bare = (all: readonly string[]) => all.map((one) => one.replace(/,$|^#(?=[ \t])/g, ""));
      const left = end.split("\n");
      const after = lines.slice(line + 1);
      expect(bare(left.slice(0, line))).toEqual(bare(lines.slice(0, line)));
      expect(bare(left.slice(left.length - after.length))).toEqual(bare(after));
    }),
    { numRuns: 500 },
  );
}, 60_000);
