import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Machine, openMachine, underTest } from "../machine/machine.ts";
import { type Expected, ends, expectedOf, prints, type Result } from "./cases.ts";

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: underTest });
  m.addUser("u", { uid: 4001, groups: ["games"] });
});
afterAll(async () => m.close());

const ok = prints("OK");
const allow = "executables = /usr/bin/printf\n";
const head = "[DEFAULT]\npaths = /usr/bin\n";

/** What a jk_lsh.ini makes of `jk_lsh -c 'printf OK'` as u, whose primary group is u and who is also in games. */
const limitedShell: readonly (readonly [name: string, ini: string, is: Expected<Result>])[] = [
  ["plain", head + allow, ok],
  ["a key in capitals", `${head}Executables = /usr/bin/printf\n`, ends(5)],
  ["[default]", `[default]\npaths = /usr/bin\n${allow}`, ends(3)],
  ["[ DEFAULT ]", `[ DEFAULT ]\npaths = /usr/bin\n${allow}`, ends(3)],
  ["CRLF", (head + allow).replaceAll("\n", "\r\n"), ok],
  [
    "indented, blanks round =",
    `[DEFAULT]\n\t paths \t=  /usr/bin  \n   executables  =\t/usr/bin/printf \n`,
    ok,
  ],
  ["no blanks", "[DEFAULT]\npaths=/usr/bin\nexecutables=/usr/bin/printf\n", ok],
  ["a colon is no separator", `${head}executables : /usr/bin/printf\n`, ends(5)],
  ["a comment", `# x\n${head}# executables = /bin/sh\n${allow}`, ok],
  ["a line with ; in front", `${head}; executables = /bin/sh\n${allow}`, ok],
  ["no comment after a value", `${head}executables = /usr/bin/printf # c\n`, ends(4)],
  [
    "no newline at the end",
    `${head}executables = /usr/bin/ls, /usr/bin/printf`,
    { debian: ends(4), ours: ok, difference: "ini-last-line" },
  ],
  ["no continuation lines", `${head}executables = /usr/bin/ls,\n  /usr/bin/printf\n`, ends(4)],
  ["empty items", `${head}executables = , ,/usr/bin/printf,,\n`, ok],
  ["the group's section", `[group u]\n${allow}paths = /usr/bin\n`, ok],
  [
    "the group's section is all",
    `[group u]\npaths = /usr/bin\nexecutables = /usr/bin/ls\n${head}${allow}`,
    ends(4),
  ],
  ["the user's section before the group's", `[group u]\n[u]\npaths = /usr/bin\n${allow}`, ok],
  ["two blanks after group", `[group  u]\npaths = /usr/bin\n${allow}`, ends(3)],
  ["a supplementary group", `[group games]\npaths = /usr/bin\n${allow}`, ends(3)],
  [
    "a member of a group",
    `[member games]\npaths = /usr/bin\n${allow}`,
    { debian: ends(3), ours: ok, difference: "ini-member" },
  ],
  ["a member of another group", `[member mail]\npaths = /usr/bin\n${allow}`, ends(3)],
  [
    "the primary group before a membership",
    `[member games]\n${allow}[group u]\npaths = /usr/bin\n${allow}`,
    ok,
  ],
  ["two sections, the first counts", `${head}${allow}${head}executables = /usr/bin/ls\n`, ok],
  ["two sections, the second does not", `${head}executables = /usr/bin/ls\n${head}${allow}`, ends(4)],
  ["a key twice, the first counts", `${head}${allow}executables = /usr/bin/ls\n`, ok],
  ["a longer key is another", `${head}executablesX = /bin/sh\n${allow}`, ok],
  [
    "the beginning of a key",
    `${head}exe = /usr/bin/printf\n`,
    { debian: ok, ours: ends(5), difference: "ini-key-prefix" },
  ],
  [
    "a stray word that begins a key",
    `${head}exe\n${allow}`,
    { debian: ends(5), ours: ok, difference: "ini-key-prefix" },
  ],
  [
    "a key over two lines",
    `${head}exe\ncutables = /usr/bin/printf\n`,
    { debian: ok, ours: ends(5), difference: "ini-key-prefix" },
  ],
  [
    "a [ in a value of another section",
    `[a]\nexecutables=/usr/bin/[\n${head}${allow}`,
    { debian: ends(3), ours: ok, difference: "ini-bracket-in-value" },
  ],
  [
    "a name of 300 characters",
    `[${"x".repeat(300)}]\n${head}${allow}`,
    { debian: ends(134), ours: ok, difference: "ini-limits" },
  ],
  [
    "an item beyond 1024 bytes",
    `${head}executables = ${"/usr/bin/nosuch, ".repeat(100)}/usr/bin/printf\n`,
    { debian: ends(4), ours: ok, difference: "ini-limits" },
  ],
  ["bytes that are not UTF-8", `[\xff]\nx = \xfe\n${head}${allow}`, ok],
  ["an empty file", "", ends(3)],
];

describe("jk_lsh.ini", () => {
  test.each(limitedShell)("%s", (_, ini, is) => {
    m.write("/etc/jailkit/jk_lsh.ini", ini);
    const options = { user: "u", env: { USER: "u", PATH: "/usr/bin:/bin" } };
    expect(m.run(["jk_lsh", "-c", "printf OK"], options)).toMatchObject(expectedOf(is));
  });
});

/** What `jk_init -c FILE -l` says. */
const lists: readonly (readonly [name: string, ini: string, is: Expected<Result>])[] = [
  ["sorted, with comments", "[b]\ncomment = second\n[a]\npaths = x\n", prints("a\nb - second\n")],
  ["DEFAULT is no section", "[DEFAULT]\ngroups = games\n[a]\nUsers: daemon\n", prints("a\n")],
  ["comments of both kinds, indented", "[a]\n # x\n ; y\n;[c]\ncomment = z\n", prints("a - z\n")],
  ["a colon, capitals and CRLF", "[a]\r\nCOMMENT: z\r\n", prints("a - z\n")],
  [
    "a continuation line",
    "[a]\ncomment = one\n  two\n",
    { debian: prints("a - one\ntwo\n"), ours: prints("a - one\\ntwo\n"), difference: "list-one-line" },
  ],
  [
    "a percent sign",
    "[a]\ncomment = 100% x\n",
    { debian: { status: 1 }, ours: prints("a - 100% x\n"), difference: "ini-percent" },
  ],
];

describe("jk_init.ini", () => {
  test.each(lists)("%s", (_, ini, is) => {
    m.write("/root/list.ini", ini);
    const { status, stdout } = m.run(["jk_init", "-c", "/root/list.ini", "-l"]);
    // 2.23 has a title above the list and a blank line below it
    const sections = stdout.replace(/^\n\*\* .*\n\n/, "").replace(/\n\n$/, "\n");
    expect({ status, stdout: sections }).toMatchObject(expectedOf(is));
  });

  const broken: readonly (readonly [name: string, ini: string])[] = [
    ["a section twice", "[a]\n[a]\n"],
    ["a key twice", "[a]\nusers = u\nusers = u\n"],
    ["text before the first section", "users = u\n[a]\n"],
    ["a line that is neither", "[a]\nusers\n"],
  ];
  test.each(broken)("%s is an error", (_, ini) => {
    m.write("/root/broken.ini", ini);
    const { status, stderr } = m.run(["jk_init", "-c", "/root/broken.ini", "-j", "/srv/broken", "a"]);
    expect(status).toBe(1);
    expect(stderr).not.toBe("");
    const traceback = expectedOf({ debian: 1, ours: 0, difference: "one-line-errors" });
    expect(stderr.split("Traceback").length - 1).toBe(traceback);
  });

  test("keys of DEFAULT are every section's, names of keys have no case", () => {
    m.write("/root/both.ini", "[DEFAULT]\ngroups = games\n[a]\nUsers: daemon\n");
    m.must(["jk_init", "-c", "/root/both.ini", "-j", "/srv/both", "a"]);
    expect(m.read("/srv/both/etc/passwd")).toBe("daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n");
    expect(m.read("/srv/both/etc/group")).toContain("games:x:60:u\n");
  });
});
