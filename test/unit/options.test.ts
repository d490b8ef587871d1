/** One spelling for one thing, over the tables of all programs and commands. */
import { describe, expect, test } from "bun:test";
import { documentedTools } from "../../build/documented.ts";
import { requireCombination } from "../../src/cli/combinations.ts";
import { UsageError } from "../../src/cli/error.ts";
import { getopt } from "../../src/cli/getopt.ts";
import { jailBeforeUsers, jailOrFirst, onlyJail } from "../../src/cli/jail-operand.ts";
import { longName, type OptionSpec } from "../../src/cli/options.ts";

const tools = (await documentedTools()).map(({ help }) => help);

/** Every option of every tool. */
const all = tools.flatMap(({ name, options }) =>
  Object.entries(options).map(([key, spec]) => ({ tool: name, long: longName(key, spec), spec })),
);

/** What a letter means wherever it is an option. */
const LETTERS: Readonly<Record<string, string>> = {
  f: "force",
  h: "help",
  j: "jail",
  n: "dry-run",
  q: "quiet",
  v: "verbose",
};

/** Letters that jailkit 2, or useradd(8) in jk_addjailuser, gave another meaning, which scripts count on. */
const KEPT = [
  "jk_addjailuser -f inactive",
  "jk_addjailuser -n without-user-group",
  "jk_jailuser -n noninteractive",
  "jk_socketd -n nodetach",
];

/** These hand all other arguments on to another program, letters too. */
const HAND_ON = ["jk_chrootsh", "jk_lsh", "jk_procmailwrapper"];

describe("letters", () => {
  test("the common letters have one meaning everywhere, except those of jailkit 2", () => {
    const other = all
      .filter(({ long, spec }) => spec.short !== undefined && (LETTERS[spec.short] ?? long) !== long)
      .map(({ tool, long, spec }) => `${tool} -${spec.short} ${long}`);
    expect(other.sort()).toEqual(KEPT);
  });

  test("an option with a common letter has it in every tool in which the letter is free", () => {
    for (const { tool, long, spec } of all) {
      const letter = Object.keys(LETTERS).find((one) => LETTERS[one] === long);
      if (letter === undefined || KEPT.some((line) => line.startsWith(`${tool} -${letter} `))) continue;
      if (HAND_ON.includes(tool)) continue;
      expect([tool, long, spec.short]).toEqual([tool, long, letter]);
    }
  });

  test("no tool has a letter or a name twice", () => {
    for (const { name, options } of tools) {
      const spelled = Object.entries(options).flatMap(([key, spec]) => [
        longName(key, spec),
        ...(spec.short === undefined ? [] : [spec.short]),
        ...(spec.also ?? []),
      ]);
      expect([name, spelled]).toEqual([name, [...new Set(spelled)]]);
    }
  });
});

describe("names", () => {
  test("one name has one letter and one kind of value in all tools", () => {
    const first = new Map<string, [string, string | undefined, string | undefined]>();
    const letterless = new Set([
      // Their -n is another: see KEPT.
      "jk_addjailuser dry-run",
      "jk_jailuser dry-run",
      ...HAND_ON.map((tool) => `${tool} help`),
    ]);
    for (const { tool, long, spec } of all) {
      if (letterless.has(`${tool} ${long}`)) continue;
      const known = first.get(long) ?? [tool, spec.short, spec.value];
      first.set(long, known);
      expect([long, tool, spec.short, spec.value]).toEqual([long, tool, known[1], known[2]]);
    }
  });

  test("an option of several tools has one description", () => {
    for (const long of ["dry-run", "json", "hardlink", "sync", "help", "version"]) {
      const described = all.filter((one) => one.long === long && one.spec.hidden !== true);
      const more = [
        "jailkit apply json",
        "jailkit disk json",
        "jailkit delete json",
        "jailkit help",
        "jk_update json",
        "jk_check json",
      ];
      const plain = described.filter(
        ({ tool }) => !more.includes(`${tool} ${long}`) && !HAND_ON.includes(tool),
      );
      expect([long, [...new Set(plain.map(({ spec }) => spec.description))].length]).toEqual([long, 1]);
    }
  });

  test("every tool has --help and --version", () => {
    for (const { name, options } of tools) {
      const names = Object.entries(options).map(([key, spec]) => longName(key, spec));
      expect([name, names]).toEqual([name, expect.arrayContaining(["help", "version"])]);
    }
  });
});

describe("options that need or exclude others", () => {
  const rules = tools.flatMap(({ name, options }) =>
    Object.entries(options).map(([key, { needs, excludes }]) => ({ name, options, key, needs, excludes })),
  );

  test("name options of the same tool", () => {
    for (const { name, options, needs, excludes = [] } of rules)
      for (const key of [...(needs === undefined ? [] : [needs]), ...excludes])
        expect([name, key, Object.hasOwn(options, key)]).toEqual([name, key, true]);
  });

  test("are what is known to have no effect otherwise", () => {
    const lines = rules.flatMap(({ name, options, key, needs, excludes = [] }) => {
      const long = (one: string) => `--${longName(one, options[one] ?? { description: "" })}`;
      return [
        ...(needs === undefined ? [] : [`${name} ${long(key)} needs ${long(needs)}`]),
        ...excludes.map((other) => `${name} ${long(key)} excludes ${long(other)}`),
      ];
    });
    expect(lines).toEqual([
      "jailkit adopt --all excludes --jail",
      "jailkit adopt --all excludes --moved",
      "jailkit adopt --all excludes --force",
      "jailkit adopt --moved excludes --force",
      "jailkit adopt --moved excludes --configfile",
      "jailkit apply --config-dir needs --check",
      "jailkit apply --delete-homes needs --prune",
      "jailkit explain --su excludes --from",
      "jailkit explain --jail excludes --su",
      "jailkit explain --jail excludes --from",
      "jailkit explain --mail excludes --jail",
      "jailkit explain --mail excludes --su",
      "jailkit explain --mail excludes --from",
      "jailkit explain --launch excludes --jail",
      "jailkit explain --launch excludes --mail",
      "jailkit explain --launch excludes --su",
      "jailkit explain --launch excludes --from",
      "jailkit export --without-keys needs --declaration",
      "jailkit import --create-users excludes --without-users",
      "jk_init --keep-log-socket needs --remove",
      "jk_init --keep-proc needs --remove",
    ]);
  });

  test("are refused in any order, and allowed where they have an effect", () => {
    const table: Record<string, OptionSpec> = {
      moved: { description: "", excludes: ["force"] },
      force: { description: "" },
      prune: { description: "" },
      deleteHomes: { description: "", needs: "prune" },
    };
    const both = "give --moved or --force, not both";
    expect(() => requireCombination(["moved", "force"], table)).toThrow(new UsageError(both, 2));
    expect(() => requireCombination(["force", "moved"], table)).toThrow(new UsageError(both, 2));
    const alone = "--delete-homes is for --prune";
    expect(() => requireCombination(["deleteHomes", "force"], table)).toThrow(new UsageError(alone, 2));
    for (const given of [[], ["moved", "moved"], ["force", "deleteHomes", "prune"]])
      expect(requireCombination(given, table)).toBeUndefined();
  });
});

describe("a jail", () => {
  const takesJail = tools.filter(({ synopsis }) => synopsis.some((line) => /\bJAIL\b/.test(line)));

  test("is -j JAIL or an operand, in every tool that takes a jail", () => {
    expect(takesJail.length).toBeGreaterThan(12);
    for (const { name, options, synopsis } of takesJail) {
      expect([name, options.jail?.short, options.jail?.value]).toEqual([name, "j", "JAIL"]);
      const operand = synopsis.some((line) => line.replace(/(?:-j |--jail=)JAIL/g, "").includes("JAIL"));
      expect([name, operand]).toEqual([name, true]);
    }
    const withOption = tools.filter(({ options }) => options.jail !== undefined).map(({ name }) => name);
    expect(withOption).toEqual(takesJail.map(({ name }) => name));
  });

  test("before other operands", () => {
    expect(jailOrFirst("/j", ["a", "b"])).toEqual({ jail: "/j", rest: ["a", "b"] });
    expect(jailOrFirst(undefined, ["/j", "b"])).toEqual({ jail: "/j", rest: ["b"] });
    expect(jailOrFirst(undefined, [])).toEqual({ jail: undefined, rest: [] });
  });

  test("before users, who have no slash in their names", () => {
    expect(jailBeforeUsers(undefined, ["/j", "u"], 1)).toEqual({ jail: "/j", rest: ["u"] });
    expect(jailBeforeUsers("/j", ["u"], 1)).toEqual({ jail: "/j", rest: ["u"] });
    expect(jailBeforeUsers(undefined, ["u"], 1)).toEqual({ jail: undefined, rest: ["u"] });
    expect(() => jailBeforeUsers("/j", ["/k", "u"], 1)).toThrow("name one jail, not /j and /k");
  });

  test("alone", () => {
    expect(onlyJail("/j", [], 2)).toBe("/j");
    expect(onlyJail(undefined, ["/j"], 2)).toBe("/j");
    expect(() => onlyJail(undefined, [], 2)).toThrow("no jail was named");
    expect(() => onlyJail("/j", ["/j"], 2)).toThrow("name one jail, not /j and /j");
    expect(() => onlyJail(undefined, ["/j", "/k"], 2)).toThrow("name one jail, not /j and /k");
  });
});

test("other spellings are accepted as letters, as names and abbreviated, and are not shown", () => {
  const table: Record<string, OptionSpec> = {
    exec: { short: "x", also: ["executable", "e"], value: "P", description: "" },
    extra: { description: "" },
  };
  const read = (...words: string[]) => getopt(words, table).options.map(({ long, value }) => [long, value]);
  for (const word of ["-xP", "-eP", "--exec=P", "--executable=P", "--execut=P"])
    expect(read(word)).toEqual([["exec", "P"]]);
  expect(() => read("--ex")).toThrow(UsageError);
});
