import { describe, expect, test } from "bun:test";
import { toBytes } from "../../ffi/bytes.ts";
import { scanIni } from "../../src/config/scan.ts";
import { lshKeys } from "../../src/config/schemas/lsh.ts";
import type { NamedKeys, TransferUser } from "../../src/transfer/document.ts";
import { chooseSettings, policyProblems, sharedSettings } from "../../src/transfer/policies.ts";
import { chooseSections, knownKeys } from "../../src/transfer/sections.ts";

const keys = (values: Record<string, string>) => new Map(Object.entries(values));
const here = scanIni(
  toBytes("[basic]\npaths = ls,\n  cat\n[odd]\npaths = a\n"),
  "/etc/jailkit/jk_init.ini",
  "py",
);
const section = (name: string, values: Record<string, string>, own = true) => ({
  name,
  own,
  keys: keys(values),
});
const none = () => false;

describe("sections of jk_init.ini", () => {
  test("of this machine are used as they are here", () => {
    const { dropIns, warnings, problems, lacking } = chooseSections(
      [section("basic", { paths: "ls, cat" }), section("odd", { paths: "b" })],
      ["basic", "odd"],
      ...([here, none] as const),
    );
    expect({ dropIns, problems, lacking: [...lacking] }).toEqual({ dropIns: [], problems: [], lacking: [] });
    expect(warnings).toEqual(["section 'odd' differs on the two machines: that of this machine is used"]);
  });

  test("that this machine lacks become drop-ins, unless they are of another version of jailkit", () => {
    const shop = section("shop", { paths: "x, /y", need_proc: "1" });
    const { dropIns, ini, lacking } = chooseSections(
      [shop, section("newer", {}, false)],
      ["shop", "newer", "x"],
      here,
      none,
    );
    expect(dropIns).toMatchObject([{ section: "shop", file: "/etc/jailkit/jk_init.d/shop.ini" }]);
    expect(dropIns[0]?.text).toMatch(/^# .*\n\[shop\]\npaths = x, \/y\nneed_proc = 1\n$/);
    expect(ini.sections.map(({ name }) => name)).toEqual(["basic", "odd", "shop"]);
    expect([...lacking]).toEqual(["newer"]);
  });

  test("that the jail does not need here are left out", () => {
    const file = [
      section("shop", { includesections: "basic, helper" }),
      section("helper", { includesections: "shop" }),
      section("odd", { includesections: "of-odd" }),
      section("of-odd", { paths: "/x" }),
      section("php", { paths: "/x" }),
    ];
    const { dropIns, warnings, problems } = chooseSections(file, ["shop", "odd"], here, none);
    expect([dropIns.map((each) => each.section), problems]).toEqual([["shop", "helper"], []]);
    expect(warnings.slice(1)).toEqual([
      "section 'of-odd' is not needed in the jail, and is left out",
      "section 'php' is not needed in the jail, and is left out",
    ]);
  });

  test("cannot complete a section of this machine, which other jails have", () => {
    const lax = scanIni(toBytes("[lax]\nincludesections = later\n"), "/etc/jailkit/jk_init.ini", "py");
    const later = section("later", { paths: "/x" });
    const { dropIns, problems } = chooseSections([later], ["lax", "later"], lax, none);
    expect([dropIns, problems.length]).toEqual([[], 1]);
    expect(problems[0]?.message).toContain("section 'lax' of this machine includes it");
  });

  const hostile: readonly (readonly [name: string, Record<string, string>])[] = [
    ["DEFAULT", { paths: "/x" }],
    ["a]\n[b", { paths: "/x" }],
    ["", { paths: "/x" }],
    ["x]", { paths: "/x" }],
    ["x", { unknown: "1" }],
    ["x", { paths: "/x\n[y]" }],
    ["x", { need_proc: "perhaps" }],
  ];
  test.each(hostile)("%j with %j is refused", (name, values) => {
    const { dropIns, problems } = chooseSections([section(name, values)], [name], here, none);
    expect({ dropIns, count: problems.length }).toEqual({ dropIns: [], count: 1 });
    expect(problems[0]?.message).toMatch(/^[\x20-\x7e]*$/);
  });

  test("have one file each in jk_init.d, whatever their names", () => {
    const names = ["../../cron.d/x", "/etc/passwd", ".hidden", "a/b", "a-b", "\xff"];
    const { dropIns, problems } = chooseSections(
      names.map((name) => section(name, { paths: "/x" })),
      names,
      here,
      none,
    );
    expect(problems).toEqual([]);
    for (const { file } of dropIns) expect(file).toMatch(/^\/etc\/jailkit\/jk_init\.d\/[^./][^/]*\.ini$/);
    expect(new Set(dropIns.map(({ file }) => file)).size).toBe(names.length);
  });

  test("replace no file", () => {
    const exists = (file: string) => file.endsWith("/shop.ini");
    const { dropIns, problems } = chooseSections(
      [section("shop", { paths: "/x" })],
      ["shop", "newer", "x"],
      here,
      exists,
    );
    expect([dropIns, problems[0]?.code]).toEqual([[], "file-exists"]);
  });
});

const ANNA: TransferUser = {
  ...{ name: "anna", uid: 5001, gid: 100, group: "users", comment: "", home: "/home/anna", shell: "/bin/sh" },
  ...{ local: true, groups: [{ name: "sudo", gid: 27 }] },
};
const policy = (name: string, values: Record<string, string>): NamedKeys => ({ name, keys: keys(values) });

describe("sections of jk_lsh.ini", () => {
  test("for the users, their groups, and all of them", () => {
    const names = ["anna", "group users", "member users", "member sudo", "DEFAULT"];
    expect(
      policyProblems(
        names.map((name) => policy(name, { executables: "/bin/ls" })),
        [ANNA],
        1000,
      ),
    ).toEqual([]);
  });

  test("that no file can hold are refused", () => {
    const one = [policy("anna", { executables: "/bin/ls" })];
    expect(policyProblems(one, [ANNA], 20)[0]?.message).toContain("too long for one file");
  });

  test("keep their patterns, without which they would allow more, and one that is misspelt", () => {
    const text = "[anna]\nexecutables = /a,/b\ncommand pull = a {x,y}\nCommand z = b\nforce = c\nother = d\n";
    const [found] = scanIni(toBytes(text), "f", "c").sections;
    if (found === undefined) throw new Error("no section");
    const { keys: kept, others } = knownKeys(found, lshKeys);
    const values = {
      executables: "/a, /b",
      "command pull": "a {x,y}",
      "Command z": "b",
      force: "c",
    };
    expect([Object.fromEntries(kept), others]).toEqual([values, ["other"]]);
    const { "Command z": _, ...valid } = values;
    expect(policyProblems([policy("anna", valid)], [ANNA], 1000)).toEqual([]);
    expect(policyProblems([policy("anna", values)], [ANNA], 1000)).toMatchObject([{ code: "bad-policy" }]);
  });

  const hostile: readonly (readonly [name: string, Record<string, string>])[] = [
    ["root", { executables: "/bin/sh" }],
    ["group sudo", { executables: "/bin/sh" }],
    ["member wheel", { executables: "/bin/sh" }],
    ["anna", { unknown: "1" }],
    ["anna", { umask: "nine" }],
    ["anna", { executables: "/a\n[root]\nexecutables = /b" }],
  ];
  test.each(hostile)("%j with %j is refused", (name, values) => {
    expect(policyProblems([policy(name, values)], [ANNA], 1000)).toHaveLength(1);
  });

  test("twice is refused", () => {
    expect(policyProblems([policy("anna", {}), policy("anna", { umask: "0" })], [ANNA], 1000)).toHaveLength(
      1,
    );
  });
});

describe("sections of jk_chrootsh.ini", () => {
  const choose = (settings: readonly NamedKeys[], mine = "", exists = none) =>
    chooseSettings(settings, [ANNA], scanIni(toBytes(mine), "", "c").sections, exists);

  test("of a user get a file of their own", () => {
    const { settings } = choose([policy("anna", { env: "LANG" })]);
    expect(settings).toMatchObject([{ name: "anna", file: "/etc/jailkit/jk_chrootsh.d/anna.ini" }]);
  });

  test("for others are refused", () => {
    for (const name of ["DEFAULT", "group users", "member sudo", "root"])
      expect(choose([policy(name, { env: "LANG" })])).toMatchObject({ settings: [], problems: [{}] });
  });

  test("for all users are refused, even if an account has that name", () => {
    const settings = [policy("DEFAULT", { env: "LANG" })];
    const users = [ANNA, { ...ANNA, name: "DEFAULT" }];
    expect(chooseSettings(settings, users, [], none)).toMatchObject({ settings: [], problems: [{}] });
  });

  test("for others too are no part of an export, which warns of those with a meaning here", () => {
    const text =
      "[DEFAULT]\nconfine = require\n[group users]\nenv = A\n[member x]\nenv = A\n[anna]\nenv = A\n";
    const warned = (ini: string, users: readonly TransferUser[]) =>
      sharedSettings(scanIni(toBytes(ini), "/f", "c").sections, users);
    expect(warned(text, [{ ...ANNA, group: "users" }])).toEqual([
      "/f has a section [DEFAULT], which is not part of the export",
      "/f has a section [group users], which is not part of the export",
    ]);
    expect(warned("[DEFAULT]\nlog_format = json\n", [ANNA])).toEqual([]);
    expect(warned(text, [])).toEqual([]);
  });

  test("of this machine stay", () => {
    const { settings, problems, warnings } = choose([policy("anna", { env: "LANG" })], "[anna]\nenv = TZ\n");
    expect([settings, problems, warnings.length]).toEqual([[], [], 1]);
    expect(choose([policy("anna", { env: "LANG" })], "[anna]\nenv = LANG\n").warnings).toEqual([]);
  });

  test("replace no file", () => {
    expect(choose([policy("anna", {})], "", () => true)).toMatchObject({ settings: [], problems: [{}] });
  });
});
