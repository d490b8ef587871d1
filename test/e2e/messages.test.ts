/** Every error message of a program begins with the program's name. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { documentedTools } from "../../build/documented.ts";
import { longName } from "../../src/cli/options.ts";
import { VERSION } from "../../src/cli/version.ts";
import { type Machine, openMachine, type RunOptions } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
const tools = await documentedTools();

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  // jk_socketd looks for one before it reads its configuration.
  await m.startSyslog();
  m.must(["useradd", "--system", "--no-create-home", "_jk-socketd"]);
  m.addUser("u", { uid: 4001 });
  m.addUser("jailed", { uid: 4002, home: `${J}/./home/jailed`, shell: "/usr/sbin/jk_chrootsh" });
  m.must(["jk_init", "-j", J, "uidbasics"]);
  m.mkdir("/srv/open", { mode: 0o777 });
});
afterAll(async () => m.close());

/** Runs a program; expects a status other than 0 and messages with its name. A line with a blank continues one. */
function complains(name: string, words: readonly string[], options: RunOptions = {}): string {
  const { status, stdout, stderr } = m.run([...name.split(" "), ...words], { stdin: "", ...options });
  const shown = [name, ...words].join(" ");
  const lines = stderr.split("\n").slice(0, -1);
  expect([shown, status === 0, lines.length > 0, stderr.at(-1)]).toEqual([shown, false, true, "\n"]);
  const first = lines.filter((line) => !line.startsWith(" "));
  expect([shown, first.filter((line) => !line.startsWith(`${name}: `)), lines[0]]).toEqual([
    shown,
    [],
    expect.stringMatching(new RegExp(`^${name}: .`)),
  ]);
  expect([shown, stdout]).toEqual([shown, ""]);
  return stderr;
}

/** Programs that hand all arguments on to another one. */
const HAND_ON = ["jk_chrootsh", "jk_lsh", "jk_procmailwrapper"];
const parsed = tools.map(({ help }) => help).filter(({ name }) => ![...HAND_ON, "jailkit"].includes(name));

describe("usage", () => {
  test.each(parsed.map((help) => [help.name, help] as const))("%s", (name, { options }) => {
    // What may be said to anybody comes first: jk_uchroot looks at its caller before it looks at options.
    const who: RunOptions = name === "jk_uchroot" ? { user: "u", env: { USER: "u" } } : {};
    const wrong = ["--no-such-option", "-%", "--=x", "--help=x"];
    for (const word of wrong) {
      const text = complains(name, [word], who);
      expect(text).toEndWith(`; see '${name} --help'\n`);
      expect(text.split("\n")).toHaveLength(2);
    }
    for (const [key, spec] of Object.entries(options)) {
      if (spec.value === undefined) complains(name, [`--${longName(key, spec)}=x`], who);
      else {
        complains(name, [`--${longName(key, spec)}`], who);
        if (spec.short !== undefined) complains(name, [`-${spec.short}`], who);
      }
    }
  });

  test("jailkit", () => {
    for (const words of [["nosuch"], ["--nosuch"], ["jk_chrootsh"], ["a\x1b[31m\nb"]])
      complains("jailkit", words);
    expect(complains("jailkit", ["lists"])).toBe(
      "jailkit: there is no command 'lists'; did you mean 'list'? 'jailkit --help' lists them\n",
    );
  });
});

describe("--help and --version", () => {
  const names = tools.map(({ help }) => help.name);

  test.each(names)("%s", (name) => {
    const words = name.split(" ");
    for (const options of [{}, { user: "u", env: { USER: "u" } }]) {
      const version = name === "jailkit" ? `jailkit ${VERSION}` : `${name} (jailkit) ${VERSION}`;
      const none = { status: 0, stderr: "" };
      expect(m.run([...words, "--version"], options)).toMatchObject({ ...none, stdout: `${version}\n` });
      const { status, stdout, stderr } = m.run([...words, "--help"], options);
      expect([status, stderr]).toEqual([0, ""]);
      if (name !== "jailkit") expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
      // That of jailkit is citty's.
      expect(stdout).toMatch(
        new RegExp(name === "jailkit" ? "^USAGE jailkit adopt\\|" : `^Usage: ${name} `, "m"),
      );
      if (!HAND_ON.includes(name)) expect(m.run([...words, "-h"], options).stdout).toBe(stdout);
    }
  });
});

describe("operands and values", () => {
  const cases: readonly (readonly [name: string, ...words: string[]])[] = [
    ["jailkit adopt"],
    ["jailkit adopt", "/srv/none"],
    ["jailkit adopt", "-j", J, J],
    ["jailkit adopt", "/usr"],
    ["jailkit apply", "/srv/none"],
    ["jailkit apply", "/etc/passwd"],
    ["jailkit apply", "--delete-homes"],
    ["jailkit config"],
    ["jailkit config", "nosuch"],
    ["jailkit config", "check", "/nonexistent/jk_init.ini"],
    ["jailkit config", "check", "/etc/passwd"],
    ["jailkit delete"],
    ["jailkit delete", "-y", "/srv/none"],
    ["jailkit delete", "-y", "/"],
    ["jailkit delete", J, "-j", J],
    ["jailkit delete", "--json", J],
    ["jailkit export"],
    ["jailkit export", "/srv/none"],
    ["jailkit import"],
    ["jailkit import", J],
    ["jailkit import", J, "/etc/passwd"],
    ["jailkit terminate-user"],
    ["jailkit terminate-user", "none"],
    ["jailkit terminate-user", "root"],
    ["jailkit forget"],
    ["jailkit forget", "/srv/none"],
    ["jailkit forget", J, "-j", J],
    ["jailkit disk", "/srv/none"],
    ["jailkit explain"],
    ["jailkit explain", "-j", J],
    ["jailkit explain", "-j", J, "/srv/other", "u"],
    ["jailkit explain", "--mail", "u", "--", "x"],
    ["jailkit log-sockets"],
    ["jailkit log-sockets", "x"],
    ["jailkit status", "x"],
    ["jailkit mount"],
    ["jailkit mount", "--all", J],
    ["jailkit mount", J],
    ["jailkit unmount", "/srv/none"],
    ["jk_addjailuser"],
    ["jk_addjailuser", J],
    ["jk_addjailuser", "-j", J, "a", "b"],
    ["jk_addjailuser", "-j", J, "u"],
    ["jk_addjailuser", "-j", J, "-s", "/nosuch", "new"],
    ["jk_addjailuser", "-j", J, "-d", "/", "new"],
    ["jk_addjailuser", "-j", J, "bad:name"],
    ["jk_addjailuser", "-j", "/srv/none", "new"],
    ["jk_check", "--json", "--sarif"],
    ["jk_check", ""],
    ["jk_check", "/srv/none"],
    ["jk_check", "-c", "/etc"],
    ["jk_chrootlaunch"],
    ["jk_chrootlaunch", "-j", J],
    ["jk_chrootlaunch", "-j", J, "-x", "/nosuch"],
    ["jk_chrootlaunch", "-x", "/nosuch", "srv/j"],
    ["jk_chrootlaunch", "-j", J, "-x", "/etc/passwd", "-u", "nosuch"],
    ["jk_cp"],
    ["jk_cp", J],
    ["jk_cp", "-j", "/srv/none", "true"],
    ["jk_cp", "-j", J, "nosuchprogram"],
    ["jk_cp", "-j", J, "/nosuch"],
    ["jk_cp", "-j", "/srv/open", "true"],
    ["jk_cp", "--remove", "-j", J, "/usr/bin/true"],
    ["jk_init"],
    ["jk_init", "-j", J],
    ["jk_init", "--strict", "-j", J, "nosuch"],
    ["jk_init", "-j", "/srv/open/x", "uidbasics"],
    ["jk_init", "-c", "/nonexistent", "-j", J, "uidbasics"],
    ["jk_init", "--remove", "-j", J, "sftp"],
    ["jk_jailuser"],
    ["jk_jailuser", J],
    ["jk_jailuser", "-n", "-j", "/srv/none", "u"],
    ["jk_jailuser", "-n", "-j", J, "root", "nosuch"],
    ["jk_jailuser", "-n", "u"],
    ["jk_jailuser", "-j", J, "/srv/other", "u"],
    ["jk_jailuser", "--unjail", "u"],
    ["jk_socketd", "x"],
    ["jk_socketd", "--type=x"],
    ["jk_socketd", "--socket=relative"],
    ["jk_update"],
    ["jk_update", "-j", J, "-c", "x"],
    ["jk_update", "--all", "-j", J],
    ["jk_update", "-c", "nosuch"],
    ["jk_update", "--strict", "/srv/none"],
  ];
  test.each(cases.map((words) => [words.join(" "), words] as const))("%s", (_, [name, ...words]) => {
    complains(name, words);
  });
});

describe("users other than root", () => {
  const names = parsed
    .map(({ name }) => name)
    .filter((name) => !/config|explain|jk_(check|list|uchroot)/.test(name));
  test.each(names)("%s", (name) => {
    // Enough for each of them to get that far.
    const words: Record<string, readonly string[]> = {
      "jailkit log-sockets": [],
      "jailkit status": [],
      "jailkit terminate-user": ["u"],
      jk_socketd: [],
      jk_chrootlaunch: ["-j", J, "-x", "/bin/true"],
      jk_update: ["-j", J],
      jk_jailuser: ["-j", J, "u"],
      jk_addjailuser: ["-j", J, "new"],
    };
    complains(
      name,
      words[name] ?? [J, "x"].slice(0, /adopt|apply|delete|disk|export|forget|list/.test(name) ? 1 : 2),
      {
        user: "u",
      },
    );
  });

  test.each(["jk_chrootsh", "jk_lsh", "jk_uchroot", "jk_procmailwrapper"])("%s refuses", (name) => {
    // For an account without a jail, jk_procmailwrapper is the procmail of the host.
    const user = name === "jk_procmailwrapper" ? "jailed" : "u";
    const options = { user, env: { USER: user } };
    complains(name, [], options);
    complains(name, ["-c", "nosuch"], options);
    if (name !== "jk_lsh")
      complains(name, ["-j", "/nosuch", "-x", "/bin/true"], { ...options, noNewPrivs: true });
  });
});

describe("warnings", () => {
  const cases: readonly (readonly [name: string, ...words: string[]])[] = [
    ["jk_init", "-k", "-j", "/srv/linked", "uidbasics"],
    ["jk_init", "/srv/tolerant", "uidbasics", "nosuch"],
  ];
  test.each(cases.map((words) => [words.join(" "), words] as const))("%s", (_, words) => {
    const [name] = words;
    const { stderr } = m.run(words);
    const lines = stderr.split("\n").slice(0, -1);
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line).toStartWith(`${name}: warning: `);
  });
});

describe("configuration", () => {
  const broken: Readonly<Record<string, string>> = {
    "jk_init.ini": "[a]\npaths = /bin/ls\nstray\n",
    "jk_update.ini": "stray\n",
    "jk_check.ini": "[/srv/j]\nx = 1\nx = 2\n",
    "jk_socketd.ini": "[/srv/j/dev/log\nbase = 1\n",
  };
  const readers: readonly (readonly [file: string, name: string, ...words: string[]])[] = [
    ["jk_init.ini", "jk_init", "-j", J, "a"],
    ["jk_init.ini", "jk_init", "--list"],
    ["jk_init.ini", "jailkit adopt", J],
    ["jk_update.ini", "jk_update", "--all"],
    ["jk_check.ini", "jk_check", J],
    ["jk_socketd.ini", "jk_socketd"],
  ];
  test.each(readers.map((words) => [words.join(" "), words] as const))("%s", (_, [file, name, ...words]) => {
    const path = `/etc/jailkit/${file}`;
    const before = m.exists(path) ? m.read(path) : undefined;
    m.write(path, broken[file] ?? "");
    try {
      expect(complains(name, words)).toStartWith(`${name}: ${path}:`);
    } finally {
      if (before === undefined) m.remove(path);
      else m.write(path, before);
    }
  });
});
