import { type Machine, openMachine, type RunResult, type Sshd } from "../machine/machine.ts";

/** The account: its login shell is jk_lsh, and the programs are those of the machine. */
export const HOME = "/home/dev";
/** Where the client's files are. */
export const WORK = "/root/client";
/** What the account has uploaded: a program that leaves a trace. */
export const TRAP = `${HOME}/trap`;
const TRACE = `${HOME}/trace`;

/** In C. One line for each start: what it was called as. */
export const TRAP_SOURCE = `
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
  int fd = open("${TRACE}", O_WRONLY | O_CREAT | O_APPEND, 0666);
  for (int i = 0; i < argc; i++) {
    if (write(fd, argv[i], strlen(argv[i])) < 0 || write(fd, i + 1 < argc ? " " : "\\n", 1) < 0) return 1;
  }
  return 0;
}
`;

/** A machine with sshd and the account. */
export interface Scene {
  m: Machine;
  sshd: Sshd;
  /**
   * Writes the section of the account: which programs, and more keys. Without a key `execute` among them the
   * kernel stops nothing: what the table of programs closes is not to be hidden by that.
   */
  policy(executables: readonly string[], ...keys: string[]): void;
  /** Writes a file of the account. */
  upload(path: string, content: string, mode?: number): void;
  /** Gives a tree to the account. */
  own(path: string): void;
  /** A program of the client, in WORK. */
  client(argv: readonly string[], env?: Record<string, string>, stdin?: string): RunResult;
  git(...words: string[]): RunResult;
  /** What was started of the account's files since the last call. */
  started(): string[];
}

/** Opens the scene. The account's home holds the trap and nothing else. */
export async function openProgramScene(): Promise<Scene> {
  const m = await openMachine({ under: "ours" });
  const dev = m.addUser("dev", { home: HOME, createHome: true, shell: "/usr/sbin/jk_lsh" });
  const owner = [dev.uid, dev.gid ?? dev.uid] as const;
  // Its log is a socket that nobody reads while a test waits for a program: after some ninety sessions it was full.
  const sshd = await m.startSshd({ config: ["Match User dev", "LogLevel QUIET"] });
  m.mkdir(WORK);
  m.write("/root/trap.c", TRAP_SOURCE);
  m.must(["gcc", "-static", "-O1", "-o", "/root/trap", "/root/trap.c"]);
  m.write(TRAP, m.readBytes("/root/trap"), { mode: 0o755, owner });
  // No test is about the key: root's ssh is configured in one place.
  m.write("/root/.ssh/config", `Host *\n${clientConfig(sshd)}`, { mode: 0o600 });
  m.chmod("/root/.ssh", 0o700);
  const environment = { PATH: "/usr/bin:/bin", HOME: "/root", USER: "root", LANG: "C.UTF-8" };
  const client = (argv: readonly string[], env: Record<string, string> = {}, stdin?: string) =>
    m.run(argv, { cwd: WORK, env: { ...environment, ...env }, ...(stdin === undefined ? {} : { stdin }) });
  return {
    m,
    sshd,
    client,
    policy: (executables, ...keys) => {
      const execute = keys.some((key) => key.startsWith("execute ")) ? [] : ["execute = any"];
      const lines = [
        "[dev]",
        "paths = /usr/bin, /usr/lib/openssh",
        `executables = ${executables.join(", ")}`,
      ];
      m.write("/etc/jailkit/jk_lsh.ini", [...lines, ...execute, ...keys, ""].join("\n"));
    },
    upload: (path, content, mode = 0o644) => m.write(`${HOME}/${path}`, content, { mode, owner }),
    own: (path) => {
      m.must(["chown", "-R", "dev:", path]);
    },
    git: (...words) =>
      client(["git", "-c", "user.name=T", "-c", "user.email=t@example.org", ...words], {
        GIT_SSH_COMMAND: sshd.command,
      }),
    started: () => {
      if (!m.exists(TRACE)) return [];
      const lines = m.read(TRACE).trim().split("\n");
      m.remove(TRACE);
      return lines;
    },
  };
}

function clientConfig({ clientOptions }: Sshd): string {
  const words = clientOptions.slice(clientOptions.indexOf("-i"));
  const lines: string[] = [];
  for (let at = 0; at < words.length; at += 2) {
    const value = words[at + 1] ?? "";
    lines.push(words[at] === "-i" ? `IdentityFile ${value}` : value.replace("=", " "));
  }
  return lines.map((line) => `  ${line}\n`).join("");
}
