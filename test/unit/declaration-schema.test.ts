/** docs/schemas/jails.schema.json says of declarations what their parser says. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { DECLARATION_SCHEMA_FILE, declarationSchema } from "../../build/declaration-schema.ts";
import { toBytes, utf8 } from "../../ffi/bytes.ts";
import { scanIni } from "../../src/config/scan.ts";
import { declaredUserKeys, jailKeys } from "../../src/config/schemas/jails.ts";
import { declarationIn } from "../../src/declaration/read.ts";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOZQo3j7fvlQ4Fx7TpbzkdbtGwQkIOdSBvXzJPn1Qbjy";

const published = JSON.parse(
  readFileSync(join(import.meta.dir, "../../docs/schemas", DECLARATION_SCHEMA_FILE), "utf8"),
);
const schema = z.fromJSONSchema(published);

type Parsed = Record<string, Record<string, string>>;

const isValid = (parsed: unknown) => schema.safeParse(parsed).success;

/** The text that a program writes of it. */
const textOf = (parsed: Parsed) =>
  Object.entries(parsed)
    .map(([name, keys]) => {
      const lines = Object.entries(keys).map(
        ([key, value]) => `${key} = ${value.replaceAll("\n", "\n    ")}\n`,
      );
      return `[${name}]\n${lines.join("")}`;
    })
    .join("\n");

const problemsOf = (parsed: Parsed) =>
  declarationIn(scanIni(toBytes(utf8(textOf(parsed))), "f", "plain")).problems;

const decoded = (bytes: string) => new TextDecoder().decode(toBytes(bytes));

/** The object that a reader of ini files makes of a text. */
function parse(text: string): Parsed {
  const { sections, problems } = scanIni(toBytes(utf8(text)), "f", "plain");
  expect(problems).toEqual([]);
  return Object.fromEntries(
    sections.map(({ name, entries }) => [
      decoded(name),
      Object.fromEntries(entries.map(({ key, value }) => [key, decoded(value)])),
    ]),
  );
}

const YES = ["yes", "No", "TRUE", "off", "0", "1"];
const NO_BOOLEAN = ["", "2", "y", "yes # really", "1\n0"];
const FLAG = [
  ["0", "1"],
  ["", "yes", "1x"],
] as const;
const PATHS = [
  ["none", "all", "/", "/data/, ~/in", "~", "/a b,\n/c"],
  ["", "data", "/a/../b", "/a//b", "none, /a"],
] as const;
const PORTS = [
  ["none", "all", "22", "1, 65535", "80,\n443"],
  ["", "0", "65536", "ssh", "all, 22", "22 80"],
] as const;

/** For each key good values, and bad ones. */
const VALUES: Readonly<Record<string, readonly [good: readonly string[], bad: readonly string[]]>> = {
  "jail sections": [
    ["basicshell", "a, b", "a,\nb,", ",a"],
    ["", "a # b", "a\nb"],
  ],
  "jail files": [
    ["less, /usr/bin/id", "/a b"],
    ["", "a\nb", "x ; y"],
  ],
  "jail live": [
    ["/usr", "/usr/local, /opt/x"],
    ["", "/etc", "/opt/a/b", "/opt/.."],
  ],
  "jail log_socket": [YES, NO_BOOLEAN],
  "jail proc": [YES, NO_BOOLEAN],
  "user jail": [
    ["/srv/a b", "/srv/\u00e4"],
    ["", "/", "srv", "/srv/", "/srv//a", "/srv/../a", "/a:b", "/a #b", "/a\n/b"],
  ],
  "user shell": [["/bin/bash"], ["", "bash", "/bin/", "/bin/./sh", "/bin/sh -l # x"]],
  "user home": [
    ["/home/x", "/data/\u00e4 b"],
    ["", "home", "/home/x/", "/home/../x"],
  ],
  "user uid": [
    ["1000", "01000", "3999999999", "4294967294"],
    ["", "0", "000", "65534", "65535", "-1", "1e3", "4294967295", "4294967296", "9999999999", "12345678901"],
  ],
  "user comment": [["Anna Smith, 1; # x"], ["", "a:b", "a\nb", "a\tb"]],
  "user groups": [
    ["a, b", "domain users,\nx.y"],
    ["", "a:b", "-a", ".", "a, ..", "a\nb"],
  ],
  "user authorized_keys": [
    [KEY, `${KEY} a\nno-pty ${KEY.replace("OZQ", "OZP")} b # c`, `# of a\n${KEY}`],
    ["", "# of a", "# of a\n  # and b"],
  ],
  "user directory": [["yes", "1"], NO_BOOLEAN],
  "user executables": [["/bin/ls, /bin/cat"], ["", "/bin/ls # x"]],
  "user allow": [
    ["sftp", "rsync download, git read"],
    ["", "rsync  download", "ftp", "sftp scp"],
  ],
  "user paths": [["/usr/bin, /bin"], ["", "/bin ; x"]],
  "user command x.y-1": [
    ["/bin/ls *", "ls"],
    ["", "ls # x"],
  ],
  "user force": [["/bin/ls -l"], ["", "ls # x"]],
  "user allow_word_expansion": FLAG,
  "user allow_spawn_options": FLAG,
  "user umask": [
    ["022", "0", "0077", "-1"],
    ["", "9", "1777", "022x"],
  ],
  "user environment": [
    ["A=b", "A=b, C = d e"],
    ["", "A", "A=", "A=b=c", "A=b # c"],
  ],
  "user env": [["LANG, LC_ALL"], ["", "LANG # x"]],
  "user confine": [
    ["0", "1", "require"],
    ["", "yes", "Require"],
  ],
  "user no_new_privs": FLAG,
  "user execute": [
    ["system", "any", "system, /opt/x/", "/opt/x,\nsystem"],
    ["", "/opt", "system, /", "any, system", "systems"],
  ],
  "user read": PATHS,
  "user write": PATHS,
  "user network": [
    ["all", "local", "none"],
    ["", "no", "ALL"],
  ],
  "user tcp_connect": PORTS,
  "user tcp_bind": PORTS,
  "user syscalls": [
    ["any", "login"],
    ["", "all"],
  ],
  "user scope": FLAG,
  "user limits": [
    ["nofile 256", "cpu 1, as 4G,\ncore 0"],
    ["", "nofile", "cpu 0", "nofile 2G", "rss 1", "nofile=3", "as 4g"],
  ],
};

/** A declaration with one value more. */
function withValue(name: string, value: string): Parsed {
  const [kind, key] = [name.slice(0, 4), name.slice(5)];
  if (kind === "jail") return { "jail /srv/a": { sections: "x", [key]: value } };
  const rights: Record<string, string> = ["shell", "uid", "comment"].includes(key)
    ? { shell: "/bin/sh" }
    : { allow: "sftp" };
  return { "user anna": { jail: "/srv/a", ...rights, [key]: value } };
}

test("the table has all keys", () => {
  const keysOf = (kind: string, table: object) => Object.keys(table).map((key) => `${kind} ${key}`);
  const named = Object.keys(VALUES).map((name) => name.replace(/^user command .*/, "user command"));
  expect(named.sort()).toEqual([...keysOf("jail", jailKeys), ...keysOf("user", declaredUserKeys)].sort());
});

describe.each(Object.entries(VALUES))("%s", (name, [good, bad]) => {
  test.each(good.map((value) => [value]))("%j is good", (value) => {
    const parsed = withValue(name, value);
    expect([problemsOf(parsed).map(({ message }) => message), isValid(parsed)]).toEqual([[], true]);
  });
  test.each(bad.map((value) => [value]))("%j is bad", (value) => {
    const parsed = withValue(name, value);
    expect([problemsOf(parsed).length > 0, isValid(parsed)]).toEqual([true, false]);
  });
});

test("no pattern takes for ever for a value that it refuses", () => {
  const lists = Object.entries(VALUES).flatMap(([name, [good]]) =>
    [", ", " ,", "\t,\t", " ,\n", "\u00a0,", "\n", "/"].flatMap((between) =>
      good.map((value) => withValue(name, `${`${value}${between}`.repeat(40)}${value}\r\x01`)),
    ),
  );
  // Apart, because nothing else ends a match of a pattern.
  const child = Bun.spawnSync({
    cmd: [
      process.execPath,
      "-e",
      `import * as z from "zod";
      const { published, lists } = await Bun.stdin.json();
      const schema = z.fromJSONSchema(published);
      console.log(lists.filter((one) => schema.safeParse(one).success).length);`,
    ],
    cwd: import.meta.dir,
    stdin: Buffer.from(JSON.stringify({ published, lists })),
    timeout: 60_000,
  });
  expect([child.exitedDueToTimeout ?? false, child.stdout.toString()]).toEqual([false, "0\n"]);
}, 90_000);

describe("names of sections and keys", () => {
  const jail = { sections: "x" };
  const user = { jail: "/srv/a", shell: "/bin/sh" };
  test.each<[string, Record<string, string>, boolean]>([
    ["jail /srv/a.b/\u00e4 c", jail, true],
    ["jail /srv/a:b", jail, true],
    ["jail srv", jail, false],
    ["jail /", jail, false],
    ["jail /srv/", jail, false],
    ["jail /srv/../a", jail, false],
    ["jail  /srv/a", jail, false],
    ["jail /srv/a ", jail, false],
    ["jail /srv/a # b", jail, false],
    ["Jail /srv/a", jail, false],
    ["jail /srv/a", { ...jail, section: "x" }, false],
    ["jail /srv/a", { ...jail, shell: "/bin/sh" }, false],
    ["user a.b_c-d", user, true],
    ["user EXAMPLE\\carl", user, true],
    ["user domain user", user, true],
    ["user DEFAULT", user, false],
    ["user group x", user, false],
    ["user ..", user, false],
    ["user -a", user, false],
    ["user a:b", user, false],
    ["user a", { shell: "/bin/sh" }, false],
    ["user a", { ...user, sections: "x" }, false],
    ["user a", { jail: "/srv/a", "command a b": "ls" }, false],
    ["user a", { jail: "/srv/a", commands: "ls" }, false],
    ["user a", { jail: "/srv/a", allow: "sftp", log_format: "json" }, false],
    ["group x", user, false],
    ["DEFAULT", user, false],
  ])("[%s] with %j: %p", (name, keys, good) => {
    const parsed = { [name]: keys };
    expect([problemsOf(parsed).length === 0, isValid(parsed)]).toEqual([good, good]);
  });
});

test("it takes the example of jails.ini(5), and the values of other types are none", () => {
  const page = readFileSync(join(import.meta.dir, "../../docs/man/jails.ini.5.in"), "utf8");
  const example =
    /^\.Bd -literal[^\n]*\n(\[jail [\s\S]*?)\.Ed$/m.exec(page)?.[1]?.replaceAll("\\&", "") ?? "";
  const parsed = parse(example);
  expect(Object.keys(parsed).length).toBeGreaterThan(1);
  expect(isValid(parsed)).toBe(true);
  for (const other of [1, true, ["a"], null])
    expect(isValid({ "jail /srv/a": { sections: other } })).toBe(false);
});

test("its patterns are those of other validators, too, which know Unicode", () => {
  const patterns: string[] = [];
  JSON.stringify(declarationSchema(), (key, value) => {
    if (key === "pattern") patterns.push(value);
    if (key === "patternProperties") patterns.push(...Object.keys(value));
    return value;
  });
  expect(patterns.length).toBeGreaterThan(20);
  for (const pattern of patterns) expect(() => new RegExp(pattern, "u")).not.toThrow();
});
