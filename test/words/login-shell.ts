import type { Machine } from "../machine/machine.ts";
import { openTerminal, type Terminal } from "../machine/terminal.ts";

/** A prompt of a program, and what is answered to it; the first that fits counts. */
export type Answer = readonly [prompt: RegExp, reply: string];

/** How a line ended, and what stood on the screen meanwhile. */
export interface Typed {
  readonly status: number;
  readonly output: string;
}

/** The password of every account that one is set for. */
export const PASSWORD = "correct horse battery";

// Questions that anybody who types is asked.
const USUAL: readonly Answer[] = [
  [/\(yes\/no\/\[fingerprint\]\)\? $/, "yes"],
  [/password: $/i, PASSWORD],
  [/\[Y\/n\] $/, "y"],
  [/\[y\/N\] $/, "y"],
];
const PROMPT = /<<(\d+)>>$/;

/** The shell of a login, at a terminal. */
export class LoginShell {
  constructor(readonly terminal: Terminal) {}

  /** Types a line (or several that belong together), answers what is asked, and waits for the next prompt. */
  async type(line: string, answers: readonly Answer[] = []): Promise<Typed> {
    const left = [...answers];
    this.terminal.process.write(Buffer.from(`${line}\n`).toString("latin1"));
    let output = "";
    for (;;) {
      const known = [...left, ...USUAL];
      const any = new RegExp(
        [PROMPT, ...known.map(([prompt]) => prompt)].map(({ source }) => source).join("|"),
        "i",
      );
      output += await this.terminal.see(any, 500_000);
      const [shown, status] = PROMPT.exec(output) ?? [];
      if (shown !== undefined)
        return { status: Number(status), output: clean(output.slice(0, -shown.length)) };
      const found = known.find(([prompt]) => prompt.test(output));
      if (found === undefined) throw new Error(`nobody knows what to answer to: ${output}`);
      const index = left.indexOf(found);
      if (index >= 0) left.splice(index, 1);
      this.terminal.process.write(`${found[1]}\n`);
    }
  }
}

/** What a screen shows, as lines of text. */
function clean(screen: string): string {
  return screen
    .replaceAll("\r\n", "\n")
    .replace(/\x1b\[[\d;?]*[A-Za-z]/g, "")
    .trim();
}

/** Logs a user in at a terminal: `words` makes the command line that starts something in the machine. */
export async function openLoginShell(
  machine: Machine,
  user: string,
  words: (...given: string[]) => string[],
): Promise<LoginShell> {
  const terminal = openTerminal(machine, words("su", "--login", user), {
    env: { TERM: "dumb", PATH: "/usr/bin:/bin" },
  });
  // A terminal of a machine that is still starting forgets what is typed.
  await terminal.see(/[#$] $/, 500_000);
  const shell = new LoginShell(terminal);
  // Without editing and echo the screen has what programs say, and nothing else. The prompt shows the status.
  await shell.type("set +o emacs; PROMPT_COMMAND='stty -echo'; PS2=; PS1='<<''$?''>>'");
  return shell;
}
