/**
 * What is printed to be typed is read by /bin/sh as it is meant: names of accounts and paths, with whatever bytes in them,
 * are one word each. And no text of a command in the source has anything in it that is none.
 */

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "bun:test";
import {
  chmodSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { notInJailFinding, userFindings } from "../../src/check/host.ts";
import { displayAgain } from "../../src/cli/display.ts";
import { adviceText, allAdvice, inWords, typed as typedOf } from "../../src/cli/remedy.ts";
import { appendCommand, shellWord } from "../../src/cli/shell-word.ts";
import type { LoginFacts } from "../../src/enter/facts.ts";
import { HOST_CHECKS } from "../../src/enter/login/host-checks.ts";
import {
  copyRemedy,
  homeRemedy,
  jailSideRemedy,
  passRemedy,
  recopyRemedy,
} from "../../src/enter/remedies.ts";
import { programFindings } from "../../src/enter/shell.ts";
import { installedPrivilege } from "../../src/explain/installed.ts";
import { passwordAuthentication } from "../../src/explain/sshd/authentication.ts";
import { configDirectoryFindings } from "../../src/jail/fs/safety.ts";
import { closeJailRoot, openJailRoot } from "../../src/jail/fs/walk.ts";
import { judgeModule } from "../../src/system/pam/modules.ts";
import type { PamSubject } from "../../src/system/pam/stack.ts";
import type { ShadowEntry } from "../../src/system/shadow.ts";
import { parseSshdSettings } from "../../src/system/sshd/settings.ts";
import { userRule } from "../../src/system/sshd/users.ts";
import { keyWarnings } from "../../src/system/sshd/warnings.ts";
import { planJailing } from "../../src/users/plan.ts";

const SHELLS = ["/bin/sh", "bash", "dash", "zsh", "mksh", "busybox"].flatMap((name) => Bun.which(name) ?? []);
/** The bytes of names that are not in every one: quotes, blanks, what shells expand, control bytes, what is no UTF-8. */
const NAMES = [
  "=ls",
  "=",
  "a b'c;$x",
  'it\'s `id` $(id) "!!" \\n \\',
  "-n",
  "~root",
  "*",
  "",
  "%s%%d\u0080\u00ff",
  "a\n'; touch /tmp/pwned; #",
  "-e\t\x1b[31m\x7f!x\\'",
  "\n\n",
  "na\u00c3\u00afve",
  "zero\u00e2\u0080\u008bwidth",
];
const STUBS = (
  "chage chgrp chmod chown faillock gpasswd groupadd install jk_chrootlaunch jk_cp jk_jailuser jk_update jailkit mkdir mount " +
  "mv passwd runuser setcap systemctl usermod"
).split(" ");

let base: string;
let jail: string;
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), "shell-words-"));
  jail = `${base}/it's a $(jail)\n#`;
  mkdirSync(`${jail}/usr/bin`, { recursive: true });
  writeFileSync(`${jail}/usr/bin/a shell`, "", { mode: 0o755 });
  chmodSync(`${jail}/usr/bin/a shell`, 0o6775);
  mkdirSync(`${base}/bin`);
  // Each tells the words that it got, and does nothing.
  writeFileSync(`${base}/bin/tell`, `#!/bin/sh\nprintf '%s\\0' "\${0##*/}" "$@" ''\n`, { mode: 0o755 });
  for (const name of STUBS) symlinkSync("tell", `${base}/bin/${name}`);
  // Not in every shell.
  symlinkSync(Bun.which("printf") ?? "", `${base}/bin/printf`);
});
afterAll(() => rmSync(base, { recursive: true }));

function typed(line: string, shell = "/bin/sh"): string[] {
  const command = shell.endsWith("/busybox") ? [shell, "sh"] : [shell];
  const { stdout, stderr, exitCode } = Bun.spawnSync(command, {
    // As bytes: what is no UTF-8 is to get there too.
    stdin: Buffer.from(`${line}\n`, "latin1"),
    // No real program: this is root, on the machine itself.
    env: { PATH: `${base}/bin`, HOME: "/nowhere", LC_ALL: "C" },
    cwd: base,
  });
  expect([line, exitCode, String(stderr)]).toEqual([line, 0, ""]);
  return stdout.toString("latin1").split("\0").slice(0, -1);
}

describe.each(SHELLS)("%s", (shell) => {
  const read = (words: string) => typed(`printf '%s\\0' ${words}`, shell);
  // Only what is older than POSIX of 2024 does not know $'...', and reads another name then: one word still.
  let knowsNewlines = false;
  beforeAll(() => {
    knowsNewlines = typed("printf '%s\\0' $'a'", shell)[0] === "a";
  });
  const exactly = (name: string) => !name.endsWith("\n") || knowsNewlines;

  test.each(NAMES)("%j is one word", (name) => {
    if (exactly(name)) expect(read(shellWord(name))).toEqual([name]);
    expect(read(`${shellWord(name)} next`).slice(1)).toEqual(["next"]);
  });
  test("any bytes are one word, and print as one line", () => {
    const byte = fc.oneof(
      fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)),
      fc.constantFrom("'", '"', "\\", "\n", "$", "`", "-", "!", "%", " "),
    );
    const names = fc.sample(fc.string({ unit: byte, maxLength: 12 }), 500);
    const words = names.map(shellWord);
    expect(words.filter((word) => displayAgain(word) !== word)).toEqual([]);
    const got = read(words.join(" "));
    expect(got.length).toBe(names.length);
    expect(got.filter((_, at) => exactly(names[at] ?? ""))).toEqual(names.filter(exactly));
  });
});

describe.each(["a b'c;$x", "-x\n'y", "plain"])("commands about %j", (name) => {
  const account = {
    ...{ name, password: "x", uid: 7, gid: 8, gecos: "", home: `/j j/./home/${name}`, shell: "/bin/a shell" },
  };
  const [j, rest] = ["/j j", name.startsWith("-") ? ["--", name] : [name]];
  const shadow = (change: Partial<ShadowEntry>): ShadowEntry => ({
    ...{ password: "*", lastChange: 100, maximum: -1, inactive: -1, expire: -1 },
    ...change,
  });
  const pam = (module: string, words: readonly string[], change: Partial<PamSubject> = {}): string => {
    const subject: PamSubject = {
      ...{ name, uid: 7, gid: 8, shell: account.shell, home: account.home, groups: [], service: "sshd" },
      ...{
        from: undefined,
        shadow: undefined,
        isLocal: true,
        day: 200,
        read: () => undefined,
        list: () => [],
      },
      installed: () => true,
      ...change,
    };
    const kind = module === "pam_faillock.so" ? "auth" : "account";
    const rule = { control: "required", module, arguments: [...words], dispensable: false };
    const answer = judgeModule(kind, rule, subject);
    return typedOf(answer?.advice ?? "") || (answer?.message ?? "");
  };
  const host = (check: string, facts: Partial<LoginFacts>): string => {
    const judge = HOST_CHECKS.find((one) => one.name === check)?.judge;
    const own = { account: () => account, isLocal: () => true, uid: 7, gid: 8 };
    const all = { ...own, configFile: "/a b/c.ini", ...facts };
    return typedOf(judge?.(all as LoginFacts).advice ?? "");
  };
  const settings = parseSshdSettings("passwordauthentication yes\nusepam no\nallowgroups friends\n");
  const thrown = (action: () => unknown): string => {
    try {
      action();
    } catch (error) {
      if (error instanceof Error) return error.message;
    }
    return "";
  };
  const plan = (change: object) =>
    thrown(() =>
      planJailing({
        ...{ user: account, groups: [], jail: "/j j", shell: undefined, move: false, processes: [] },
        accounts: {
          ...{ users: [], userByName: () => undefined },
          ...{ groupByName: () => undefined, groupByGid: () => undefined },
        },
        hostGroup: () => undefined,
        ...change,
      }),
    );
  const user = { name, home: "/./x y", shell: "/bin/sh", jail: undefined };
  const sideOnly = ["jk_jailuser", "--jail-side-only", "-j", j, ...rest];

  const rows: [text: string, ...commands: string[][]][] = [
    [jailSideRemedy(j, name), sideOnly],
    [copyRemedy(j, "/a b", "/c,d"), ["jk_cp", "-j", j, "/a b", "/c,d"]],
    [homeRemedy("/h h", 7, 8), ["install", "-d", "-o", "+7", "-g", "+8", "-m", "0700", "/h h"]],
    [
      homeRemedy("/h h", 7, 8, "/h h.old"),
      ["mv", "-nT", "/h h", "/h h.old"],
      ["mkdir", "-m", "0700", "/h h"],
      ["chown", "+7:+8", "/h h"],
    ],
    [recopyRemedy(j, "/b b"), ["jk_cp", "-f", "-j", j, "/b b"]],
    [passRemedy("/d d"), ["chmod", "a+x", "/d d"]],
    [
      passwordAuthentication(settings, account, shadow({}), true).advice.map(adviceText).join(),
      ["passwd", ...rest],
    ],
    [
      passwordAuthentication(settings, account, shadow({ password: "!$6$x" }), true)
        .advice.map(adviceText)
        .join(),
      ["passwd", "-u", ...rest],
    ],
    [pam("pam_unix.so", [], { shadow: shadow({ expire: 1 }) }), ["chage", "-E", "-1", ...rest]],
    [
      pam("pam_unix.so", [], { shadow: shadow({ maximum: 1, inactive: 1 }) }),
      ["chage", "-I", "-1", ...rest],
      ["passwd", ...rest],
    ],
    [pam("pam_unix.so", [], { shadow: shadow({ lastChange: 0 }) }), ["passwd", ...rest]],
    [pam("pam_nologin.so", ["file=/no no"], { read: () => "" }), ["mv", "-nT", "/no no", "/no no.old"]],
    [pam("pam_faillock.so", [], { read: () => "x" }), ["faillock", "--user", name, "--reset"]],
    [
      adviceText(userRule(settings, { name, groups: [] }, undefined)?.advice ?? "").split("type: ")[1] ?? "",
      ["groupadd", "-f", "-r", "jailed"],
      ["gpasswd", "-a", ...rest, "jailed"],
    ],
    [adviceText(keyWarnings(settings, name, "x", true)[0]?.advice ?? ""), ["usermod", "-p", "*", ...rest]],
    [host("separator", { split: () => undefined }), ["jk_jailuser", "-m", "-j", "JAIL", ...rest]],
    [
      host("home-set", { account: () => ({ ...account, home: "" }) }),
      ["usermod", "-d", `JAIL/./home/${name}`, ...rest],
    ],
    [
      host("jail-path", {
        split: () => ({ jail: "/x", home: "/h h" }),
        jail: () => ({ kind: "not-plain", reason: "", real: "/r r" }),
      }),
      ["usermod", "-d", "/r r/./h h", ...rest],
    ],
    [host("not-root", { uid: 0 }), ["usermod", "-s", "/bin/bash", ...rest]],
    [host("group", { group: () => undefined }), ["groupadd", "-g", "8", "g8"]],
    [userFindings(user)[0]?.remedy ?? "", ["usermod", "-d", "JAIL/./x y", ...rest]],
    [userFindings(user)[1]?.remedy ?? "", ["usermod", "-s", "/usr/sbin/jk_chrootsh", ...rest]],
    [notInJailFinding(user, j).remedy ?? "", sideOnly],
    [
      adviceText(configDirectoryFindings("/no such directory")[0]?.advice ?? ""),
      ["install", "-d", "-o", "root", "-g", "root", "-m", "0755", "/no such directory"],
    ],
    ...(name.includes("\n")
      ? []
      : ([
          [
            plan({ jail: "/other" }).split("with: ")[1] ?? "",
            ["jk_jailuser", "--unjail", "-s", "/usr/sbin/nologin", ...rest],
          ],
          [
            plan({
              accounts: {
                ...{ groupByName: () => undefined, groupByGid: () => undefined },
                userByName: () => ({ ...account, uid: 9 }),
              },
            }).split("with: ")[1] ?? "",
            sideOnly,
          ],
        ] satisfies [string, ...string[][]][])),
  ];
  test.each(rows)("%s", (text, ...commands) => {
    expect(typed(text)).toEqual(commands.flatMap((words) => [...words, ""]));
  });

  test("a line for a file", () => {
    typed(appendCommand(name, `${base}/a file`));
    typed(pam("pam_shells.so", [], { shell: name }).replace("/etc/shells", shellWord(`${base}/a file`)));
    expect(readFileSync(`${base}/a file`, "latin1")).toBe(`${name}\n${name}\n`);
    rmSync(`${base}/a file`);
  });
});

test("the path to a program of a jail, from the top, without files that could be exchanged", () => {
  const path = `${jail}/usr/bin/a shell`;
  const remedies = (mode: number) => {
    chmodSync(`${jail}/usr/bin`, mode);
    const root = openJailRoot(jail);
    const found = programFindings(root, "/usr/bin/a shell");
    closeJailRoot(root);
    return typed(adviceText(allAdvice(found.map(({ advice }) => advice))));
  };
  expect(remedies(0o757)).toEqual(["chmod", "o-w", `${jail}/usr/bin`, ""]);
  expect(remedies(0o777)).toEqual(["chmod", "go-w", `${jail}/usr/bin`, ""]);
  // Whoever could write it may have it open.
  const again = ["jk_cp", "-f", "-j", jail, "/usr/bin/a shell", ""];
  expect(remedies(0o755)).toEqual([...again, "chmod", "u-s,g-s", path, ""]);
});

test("a program of jailkit gets its privilege by its own path, and no other file does", () => {
  // Root alone writes the directories above.
  const directory = mkdtempSync("/run/installed ");
  chmodSync(directory, 0o755);
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const program = `${directory}/jk_chrootsh`;
  const remedy = (path = program): unknown => installedPrivilege(path).advice;
  expect(remedy()).toEqual(inWords("install jailkit again"));
  mkdirSync(program);
  expect(remedy()).toEqual(inWords(`move ${program} away, and install jailkit again`));
  rmSync(program, { recursive: true });
  writeFileSync(program, "#!/bin/sh\n", { mode: 0o755 });
  expect(remedy()).toEqual(inWords(`move ${program} away, and install jailkit again`));
  const header = Buffer.alloc(64);
  header.write("\x7fELF\x02\x01", "latin1");
  header.writeUInt16LE(3, 16);
  for (const name of ["jk_chrootsh", "jk_uchroot", "jk_procmailwrapper"]) {
    writeFileSync(program, Buffer.concat([header, Buffer.from(`JAILKIT_ENTRY=${name}\0`)]));
    const commands = [
      ["chown", "root:root", program],
      ["chmod", "0755", program],
      ["setcap", "cap_sys_chroot+ep", program],
    ];
    expect(typed(`${remedy()}`)).toEqual(commands.flatMap((words) => [...words, ""]));
  }
  symlinkSync("jk_chrootsh", `${directory}/link`);
  expect(remedy(`${directory}/link`)).toBe(remedy());
  // A user may lead the link elsewhere before root types the command.
  lchownSync(`${directory}/link`, 4990, 4990);
  expect(remedy(`${directory}/link`)).toEqual(
    inWords(`first let root alone write the directories above ${directory}/link`),
  );
});

test("a file that others could have written gets no privilege before it is installed again", () => {
  const directory = mkdtempSync("/dev/shm/installed-");
  const program = `${directory}/jk_chrootsh`;
  writeFileSync(program, "");
  chmodSync(program, 0o775);
  const { held, advice } = installedPrivilege(program);
  rmSync(directory, { recursive: true });
  const words = /^install \/dev\/shm\/\S+ again, because users other than root could write it; then: /;
  expect([held, advice]).toEqual([false, { words: expect.stringMatching(words) }]);
});
