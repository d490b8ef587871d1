import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { completedTools } from "../../build/completion-model.ts";
import { completionFiles } from "../../build/completions.ts";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

// Names that do harm if they are evaluated, split or globbed.
const HOSTILE = [
  "$(touch pwned)",
  "`touch pwned`",
  "a;touch pwned",
  "quote'd",
  "star*",
  "{x,y}",
  "-e",
  "~root",
];
const SECTIONS = ["sftp", "two words", ...HOSTILE, "own"];

const WORK = "/tmp/work";
const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: WORK, TERM: "xterm", LC_ALL: "C.UTF-8" };
const drivers = join(import.meta.dir, "completions");

let machine: Machine;

beforeAll(async () => {
  machine = await openMachine();
  machine.mkdir("/usr/share/bash-completion/completions");
  for (const file of completionFiles(await completedTools())) {
    if ("text" in file) machine.write(`/usr/share/${file.path}`, file.text);
    else if (!machine.exists(`/usr/share/${file.path}`))
      machine.symlink(file.linkTo, `/usr/share/${file.path}`);
    // fish completes only what it could run.
    const program = /fish\/vendor_completions\.d\/(\w+)\.fish$/.exec(file.path)?.[1];
    if (program !== undefined) machine.write(`/usr/sbin/${program}`, "#!/bin/sh\n", { mode: 0o755 });
  }
  for (const name of readdirSync(drivers)) machine.write(`/tmp/${name}`, readFileSync(join(drivers, name)));
  const homes = [
    "/srv/jail/./home/bob",
    "/srv/jail one/./home/anna",
    "/srv/$(touch pwned)/./x",
    "/srv/l/./m/./n",
  ];
  const lines = homes.map((home, i) => `user${i}:x:${1501 + i}:1501::${home}:/usr/sbin/jk_chrootsh\n`);
  const names = ["anna", ...HOSTILE, "esc\x1b[31m"].map(
    (name, i) => `${name}:x:${1601 + i}:1501::/home:/bin/sh\n`,
  );
  machine.write("/etc/passwd", machine.read("/etc/passwd") + [...lines, ...names].join(""));
  machine.write("/etc/group", `${machine.read("/etc/group")}jailed:x:1501:\n`);
  for (const path of ["/srv/jail", "/srv/jail one", "/srv/jailless", WORK]) machine.mkdir(path);
  machine.write("/srv/jail.file", "");
  const section = (name: string) => `[${name}]\npaths = x\n`;
  machine.write(
    "/etc/jailkit/jk_init.ini",
    // The last one without a newline at its end.
    `# [comment]\n[DEFAULT]\n${SECTIONS.slice(0, -1).map(section).join("")}[esc\x1b[0m]\n[]\n[last]`,
  );
  machine.write("/etc/jailkit/jk_init.d/own.ini", section("own"));
  machine.write("/tmp/other.ini", section("other"));
  machine.mkdir("/etc/jailkit/jails.d");
  machine.write("/etc/jailkit/jails.d/own.ini", "[jail /data/declared]\n[user eve]\njail = /data/declared\n");
});

afterAll(() => machine.close());

type Shell = (line: readonly string[]) => string[];

const outcome = (run: { status: number; stdout: string; stderr: string }) => {
  if (run.status !== 0 || run.stderr !== "")
    throw new Error(`status ${run.status}: ${run.stderr}${run.stdout}`);
  expect(machine.list(WORK).concat(machine.list("/"))).not.toContain("pwned");
  const lines = run.stdout.split("\n").filter((line) => line !== "");
  // A directory may have a slash at its end, and be offered as a jail and as a directory.
  return [...new Set(lines.map((line) => line.replace(/(?<=.)\/$/, "")))].sort();
};

// A word as the shell reads it back. It is the words offered that are evaluated, so they had better be quoted.
function readBack(shell: string, words: string[]): string[] {
  if (words.length === 0) return [];
  const script = words.map((word) => `printf '%s\\n' ${word}\n`).join("");
  return outcome(machine.run([shell, "-c", script], { cwd: WORK, env }));
}

const shells: Readonly<Record<string, Shell>> = {
  bash(line) {
    // It hands --option=value on as three words.
    const words = line.flatMap((word) => {
      const [, option, value] = /^(--\w+)=(.*)$/.exec(word) ?? [];
      return option === undefined || value === undefined
        ? [word]
        : value === ""
          ? [option, "="]
          : [option, "=", value];
    });
    const argv = ["bash", "--norc", "--noprofile", "/tmp/bash.sh", ...words];
    const offered = outcome(machine.run(argv, { cwd: WORK, env }));
    // Paths are quoted by the shell itself.
    return offered.some((word) => word.startsWith("/")) ? offered : readBack("bash", offered);
  },
  zsh(line) {
    const argv = ["zsh", "-f", "/tmp/zsh.sh", line.join(" ")];
    const offered = readBack("zsh", outcome(machine.run(argv, { cwd: WORK, env })));
    // A file is added by its last component.
    const last = line.at(-1)?.replace(/^--\w+=/, "") ?? "";
    const directory = last.slice(0, last.lastIndexOf("/") + 1);
    const whole = offered.map((word) =>
      last.startsWith("/") && !word.startsWith("/") ? directory + word : word,
    );
    return [...new Set(whole)].sort();
  },
  fish(line) {
    const argv = ["fish", "-c", "complete -C $argv[1]", line.join(" ")];
    const offered = outcome(machine.run(argv, { cwd: WORK, env }));
    const plain = offered.map((word) =>
      word
        .replace(/\t.*/, "")
        .replace(/^--\w+=/, "")
        .replace(/(?<=.)\/$/, ""),
    );
    return [...new Set(plain)].sort();
  },
};

const JAILS = ["/srv/jail", "/srv/jail one"];
const sections = [...SECTIONS, "last"].sort();

/** What is typed, word by word, and what is offered for the last word. */
const cases: readonly (readonly [line: readonly string[], offered: readonly string[]])[] = [
  [["jk_init", "--dr"], ["--dry-run"]],
  [["jk_init", "--json", "--verb"], ["--verbose"]],
  [["jk_init", "-j", "/srv/jail", ""], sections],
  [["jk_init", "-j/srv/jail", "sf"], ["sftp"]],
  [["jk_init", "--jail=/srv/jail", "sf"], ["sftp"]],
  [["jk_init", "-fj", "/srv/jail", "git", "sf"], ["sftp"]],
  [["jk_init", "/srv/jail", "sf"], ["sftp"]],
  [["jk_init", "-f", "/srv/jail", "git", "sf"], ["sftp"]],
  [["jk_init", "/srv/jail."], []],
  [["jk_init", "-j", "/data/"], ["/data/declared"]],
  [["jk_init", "-c", "/tmp/other.ini", "-j", "/x", ""], ["other"]],
  [["jk_init", "-c", "/tmp/none.ini", "-j", "/x", ""], []],
  [
    ["jk_init", "-j", "/srv/jail"],
    [...JAILS, "/srv/jailless"],
  ],
  [
    ["jk_init", "-vj", "/srv/jail"],
    [...JAILS, "/srv/jailless"],
  ],
  [
    ["jk_init", "--jail=/srv/jail"],
    [...JAILS, "/srv/jailless"],
  ],
  [
    ["jk_init", "/srv/jail"],
    [...JAILS, "/srv/jailless"],
  ],
  [["jk_check", "--fix", "/srv/jaill"], ["/srv/jailless"]],
  [["jk_list", "-j", "/srv/l"], ["/srv/l/./m"]],
  [["jk_jailuser", "-j", "/srv/jail", "ann"], ["anna"]],
  [
    ["jk_jailuser", "--unjail", "anna", "user"],
    ["user0", "user1", "user2", "user3"],
  ],
  [["jk_addjailuser", "-j", "/srv/jail", "ann"], []],
  [["jk_addjailuser", "-g", "jaile"], ["jailed"]],
  [["jk_chrootlaunch", "-u", "ann"], ["anna"]],
  [["jk_cp", "-j", "/srv/jail", "/srv/jail.f"], ["/srv/jail.file"]],
  [["jk_cp", "/srv/jail", "/srv/jail.f"], ["/srv/jail.file"]],
  [["jk_cp", "--", "/srv/jail", "/srv/jail.f"], ["/srv/jail.file"]],
  [
    ["jk_socketd", "--type", ""],
    ["datagram", "stream"],
  ],
  [["jk_socketd", "--base", ""], []],
  [["jailkit", "conf"], ["config"]],
  [["jailkit", "jk_in"], ["jk_init"]],
  [["jailkit", "--vers"], ["--version"]],
  [["jailkit", "config", ""], ["check"]],
  [["jailkit", "config", "check", "--js"], ["--json"]],
  [["jailkit", "config", "check", "/srv/jail.f"], ["/srv/jail.file"]],
  [["jailkit", "explain", "ann"], ["anna"]],
  [["jailkit", "jk_init", "-j", "/srv/jail", "sf"], ["sftp"]],
];

describe.each(Object.entries(shells))("%s", (shell, offered) => {
  test.each(cases.map(([line, wanted]) => [line.join(" "), line, wanted] as const))(
    "%s",
    (_, line, wanted) => {
      expect(offered(line)).toEqual([...wanted].sort());
    },
  );

  test("harmful names are offered as they are, and do no harm", () => {
    const found = offered(["jk_jailuser", "-j", "/srv/jail", ""]);
    expect(found).toEqual(expect.arrayContaining(["root", "anna", ...HOSTILE]));
    expect(found.join("")).not.toContain("\x1b");
    expect(offered(["jk_init", "-j", "/srv/\\$"])).toEqual(["/srv/$(touch pwned)"]);
  });

  test("what is typed is not evaluated", () => {
    expect(offered(["jk_init", "-c", "'$(touch", "pwned)'", "-j", "/x", ""])).toEqual([]);
    offered(["jk_init", "-c", "$(touch", "pwned)", "-j", "/x", ""]);
    // zsh's own completion of files expands the part before a slash, whatever the program.
    if (shell === "zsh") return;
    offered(["jk_init", "-j", "$(touch pwned)/"]);
    offered(["jk_cp", "-j", "/srv/jail", "`touch pwned`/"]);
  });
});

describe.each(["bash", "zsh"])("typed to %s on a terminal", (shell) => {
  const typed = (line: string) =>
    outcome(machine.run(["zsh", "-f", "/tmp/type.sh", shell, line], { cwd: WORK, env })).join("\n");

  test("a name with a blank is one argument", () => {
    expect(typed("jk_init -j /srv/jail two")).toBe("<-j></srv/jail><two words>");
    expect(typed("jk_init -j /srv/jail\\ ")).toMatch(/^<-j><\/srv\/jail one\/?>$/);
  });

  test.each([
    ["\\$", "$(touch pwned)"],
    ["\\`", "`touch pwned`"],
    ["a", "a;touch pwned"],
    ["qu", "quote'd"],
    ["st", "star*"],
    ["\\{", "{x,y}"],
  ])("%s and a tab", (start, name) => {
    expect(typed(`jk_init -j /srv/jail ${start}`)).toBe(`<-j></srv/jail><${name}>`);
  });
});

test("bash offers a jail that is a directory once", () => {
  const words = ["bash", "--norc", "--noprofile", "/tmp/bash.sh", "jk_init", "-j", "/srv/jail"];
  const offered = machine
    .run(words, { cwd: WORK, env })
    .stdout.split("\n")
    .filter((line) => line !== "");
  expect(offered.sort()).toEqual([...JAILS, "/srv/jailless"]);
});
