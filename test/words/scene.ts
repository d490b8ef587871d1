import { expect } from "bun:test";
import { type Booted, boot } from "../machine/booted.ts";
import { openFleet } from "../machine/fleet.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { configureSystemSshd } from "../machine/system-sshd.ts";
import type { Block } from "./blocks.ts";
import { type Answer, type LoginShell, openLoginShell, type Typed } from "./login-shell.ts";

/** The machine that a document is read in, by somebody who types what it says. */
export interface Stage {
  readonly m: Machine;
  /** Other machines, which it reaches by ssh, where the scene asks for them. */
  readonly others: readonly Machine[];
  /** With systemd, its journal and sshd, where the scene asks for it. */
  readonly booted: Booted | undefined;
  readonly shell: LoginShell;
  /** Another login. */
  login(user: string): Promise<LoginShell>;
  /** Types a line that must end with 0; its output. */
  must(line: string, answers?: readonly Answer[]): Promise<string>;
  /** Lets an account in by root's key, so that what is tried out besides the text asks nothing. */
  allowKey(user: string, home: string): void;
  /** Runs a command by ssh as a user that allowKey was called for. */
  ssh(user: string, ...words: string[]): { status: number; stdout: string; stderr: string };
}

/** What belongs to a block, besides what its document says. */
export interface Step {
  /** The block is this file, or what is added to it. */
  readonly file?: string;
  readonly append?: boolean;
  /** The block is what this line prints, or the end of it. */
  readonly outputOf?: string;
  /** The block is something else, which this looks at. */
  readonly check?: (stage: Stage, text: string) => unknown;
  /** Who types it; root, where nobody is named. */
  readonly as?: string;
  /** Lines that go on, with what shows that they have begun: they are typed at a terminal of their own. */
  readonly another?: Readonly<Record<string, (stage: Stage) => boolean>>;
  /** The exit status of lines that do not end with 0. */
  readonly status?: Readonly<Record<string, number>>;
  readonly answers?: readonly Answer[];
  /** What is typed for a placeholder, such as JAIL. */
  readonly names?: Readonly<Record<string, string | (() => string)>>;
  /** It has other readers than the blocks before it: it runs on a machine of its own. */
  readonly apart?: boolean;
  /** What the text takes for granted before the block. */
  readonly before?: (stage: Stage) => unknown;
  /** What it claims; `outputs` has what each of the lines printed. */
  readonly after?: (stage: Stage, outputs: readonly string[], lines: readonly string[]) => unknown;
}

/** How a document is read. */
export interface Scene {
  /** Boots the machine: logins by sshd, the journal, systemctl. */
  readonly boot?: boolean;
  /** The tools are not there before the text installs them. */
  readonly bare?: boolean;
  /** The names of other machines. */
  readonly others?: readonly string[];
  /** What the text takes for granted from the start. */
  readonly prepare?: (stage: Stage) => unknown;
  /** By the first line of a block, or by `LINE #2` if it is the second with that line. */
  readonly steps?: Readonly<Record<string, Step>>;
}

const UNITS = ["dbus", "systemd-logind", "systemd-user-sessions", "systemd-journald", "ssh"].map(
  (name) => `${name}.service`,
);

/** Opens the machine of a scene. */
export async function openStage(scene: Scene): Promise<Stage> {
  const options = scene.bare ? {} : ({ under: "ours" } as const);
  const fleet = scene.others && (await openFleet(scene.others, options));
  const m = fleet?.control ?? (await openMachine(options));
  try {
    configureSystemSshd(m);
    const booted = scene.boot ? boot(m, UNITS) : undefined;
    const login = (user: string) => openLoginShell(m, user, booted?.words ?? ((...words) => words));
    const shell = await login("root");
    const stage: Stage = {
      m,
      others: fleet?.machines ?? [],
      booted,
      shell,
      login,
      async must(line, answers) {
        const typed = await shell.type(line, answers);
        expect({ line, ...typed }).toMatchObject({ line, status: 0 });
        return typed.output;
      },
      allowKey(user, home) {
        const key = "/root/.ssh/id_ed25519";
        if (!m.exists(key)) {
          m.mkdir("/root/.ssh", { mode: 0o700 });
          m.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key]);
        }
        const { uid, gid } = m.ids(user);
        m.mkdir(`${home}/.ssh`, { mode: 0o700, owner: [uid, gid] });
        m.write(`${home}/.ssh/authorized_keys`, m.read(`${key}.pub`), { owner: [uid, gid] });
      },
      ssh: (user, ...words) => {
        const options = ["BatchMode=yes", "StrictHostKeyChecking=no"].flatMap((one) => ["-o", one]);
        return m.run(["ssh", "-q", "-i", "/root/.ssh/id_ed25519", ...options, `${user}@127.0.0.1`, ...words]);
      },
    };
    await scene.prepare?.(stage);
    return stage;
  } catch (error) {
    await m.close();
    throw error;
  }
}

/** Lines that a user enters at once: one, or several where a backslash or a here-document joins them. */
function entered(text: string): string[] {
  const found: string[] = [];
  let open = "";
  let until: string | undefined;
  for (const line of text.split("\n")) {
    open = open === "" ? line : `${open}\n${line}`;
    if (until !== undefined && line !== until) continue;
    until = until === undefined ? /<<-? ?'?(\w+)'?/.exec(line)?.[1] : undefined;
    if (until !== undefined || line.endsWith("\\")) continue;
    if (open.trim() !== "") found.push(open);
    open = "";
  }
  if (open !== "") throw new Error(`the last line goes on: ${open}`);
  return found;
}

/** What is shown, as a pattern: error ids, times, sizes and numbers of processes vary, and `...` is anything. */
export function shownPattern(text: string): RegExp {
  const VARY: readonly (readonly [RegExp, string])[] = [
    [/JK-[0-9A-Z]{8}/, "JK-[0-9A-Z]{8}"],
    [/\.{3}/, "[^]*?"],
    [/\d+:\d\d(?::\d\d)?/, "\\d+:\\d\\d(?::\\d\\d)?"],
    [/\d+(?:\.\d+)? ?[KMG]i?B/, "\\d+(?:\\.\\d+)? ?[KMG]i?B"],
    [/pid \d+/, "pid \\d+"],
  ];
  const any = new RegExp(VARY.map(([{ source }]) => `(?:${source})`).join("|"), "g");
  const quote = (plain: string) =>
    plain.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/[ \t]*\n[ \t]*/g, "\\s*\n\\s*");
  let pattern = "";
  let from = 0;
  for (const match of text.matchAll(any)) {
    const [, vary = ""] = VARY.find(([form]) => form.exec(match[0])?.[0] === match[0]) ?? [];
    pattern += quote(text.slice(from, match.index)) + vary;
    from = match.index + match[0].length;
  }
  return new RegExp(`(?:^|\n)${pattern}${quote(text.slice(from))}$`);
}

/** Commands of a block with what is shown of their output: with `$ ` before commands, or nothing but commands. */
function dialogue(text: string): { line: string; shown?: string }[] {
  if (!/^\$ /m.test(text)) return entered(text).map((line) => ({ line }));
  return text
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [line = "", ...shown] = part.trimEnd().split("\n");
      return shown.length > 0 ? { line, shown: shown.join("\n") } : { line };
    });
}

/** Does what a block says, and looks at what it claims. */
export async function playBlock(stage: Stage, block: Block, step: Step): Promise<void> {
  await step.before?.(stage);
  const names = Object.entries(step.names ?? {});
  const text = names.reduce(
    (all, [name, value]) => all.replaceAll(name, typeof value === "string" ? value : value()),
    block.text,
  );
  const outputs: string[] = [];
  const lines: string[] = [];
  if (step.file !== undefined) {
    const there = step.append && stage.m.exists(step.file) ? stage.m.read(step.file) : "";
    stage.m.write(step.file, `${there}${text}\n`);
  } else if (step.check !== undefined) await step.check(stage, text);
  else if (step.outputOf !== undefined) {
    const { output } = await stage.shell.type(step.outputOf);
    outputs.push(output);
    expect(output).toMatch(shownPattern(text));
  } else {
    const shell = step.as === undefined ? stage.shell : await stage.login(step.as);
    for (const { line, shown } of dialogue(text)) {
      const begun = step.another?.[line];
      if (begun !== undefined) {
        const other = await stage.login("root");
        other.terminal.process.write(`${line}\n`);
        while (!begun(stage)) await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      const typed: Typed = await shell.type(line, step.answers);
      expect({ line, ...typed }).toMatchObject({ line, status: step.status?.[line] ?? 0 });
      if (shown !== undefined) expect(typed.output).toMatch(shownPattern(shown));
      outputs.push(typed.output);
      lines.push(line);
    }
  }
  await step.after?.(stage, outputs, lines);
}
