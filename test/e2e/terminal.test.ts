/** A shell in a jail at a real terminal: by ssh, typed key by key. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Machine, openMachine, type Sshd } from "../machine/machine.ts";
import { openTerminal, type Terminal } from "../machine/terminal.ts";

const J = "/srv/j";
const CTRL_C = "\x03";
const BACKSPACE = "\x7f";

let m: Machine;
let sshd: Sshd;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["jk_init", "-j", J, "interactiveshell"]);
  m.must(["jk_addjailuser", "-j", J, "-s", "/bin/bash", "u"]);
  // Without a password and not locked: sshd(8) lets in whoever has a key.
  m.must(["usermod", "-p", "*", "u"]);
  m.write(`${J}/home/u/.bashrc`, "PS1='ready> '\n");
  m.write(`${J}/home/u/.bash_profile`, ". ~/.bashrc\n");
  m.write(`${J}/home/u/text`, Array.from({ length: 200 }, (_, i) => `line ${i}\n`).join(""), {
    owner: [m.ids("u").uid, m.ids("u").gid],
  });
  sshd = await m.startSshd({ config: ["AcceptEnv LANG"] });
}, 60_000);
afterAll(async () => m.close());

async function login(term = "xterm"): Promise<Terminal> {
  const words = ["ssh", ...sshd.clientOptions, "-o", "SendEnv=LANG", "-tt", "u@127.0.0.1"];
  const env = { TERM: term, LANG: "C.UTF-8", PATH: "/usr/bin:/bin" };
  const terminal = openTerminal(m, words, { env });
  await terminal.see("ready> ");
  return terminal;
}

async function logout(terminal: Terminal): Promise<void> {
  await terminal.type("exit 7\n", "exit 7");
  expect((await terminal.process.ended).status).toBe(7);
}

describe("a shell in a jail, by ssh", () => {
  test("knows its terminal, its language, and its user", async () => {
    const terminal = await login();
    await terminal.type("echo $TERM:$LANG:$PATH: $SSH_CONNECTION\n", "\n");
    await terminal.see(
      /xterm:C\.UTF-8:\/usr\/local\/bin:\/usr\/bin:\/bin[^ ]*: 127\.0\.0\.1 \d+ 127\.0\.0\.1 22/,
    );
    await terminal.type('[ -n "$SSH_TTY" ] && echo tty-$((1 + 1))\n', "tty-2");
    await logout(terminal);
  });

  test("accepts keys: backspace, multibyte characters, Ctrl-C", async () => {
    const terminal = await login();
    await terminal.type(`echo ab${BACKSPACE}c-$((1 + 1))\n`, "ac-2");
    // One backspace takes the whole letter away.
    await terminal.type(`echo žš${BACKSPACE}č-$((2 + 2)); x=žč; echo \${#x}\n`, "žč-4");
    await terminal.see("2");
    await terminal.type("sleep 1000; echo slept\n", "slept");
    await terminal.type(CTRL_C, "ready> ");
    await terminal.type("echo status-$?\n", "status-130");
    await logout(terminal);
  });

  test("sees a window that is made larger", async () => {
    const terminal = await login();
    await terminal.type("stty size; echo size-$((1 + 1))\n", /24 80\s+size-2/);
    terminal.process.kill("SIGUSR1");
    // The new size comes by a message of its own: the shell is asked until it has it.
    await terminal.type("until [ \"$(stty size)\" = '29 90' ]; do :; done; echo size-$((2 + 2))\n", "size-4");
    await logout(terminal);
  });

  test.each(["xterm", "xterm-256color", "screen", "tmux-256color", "vt100", "linux"])(
    "clears %s",
    async (term) => {
      const terminal = await login(term);
      await terminal.type("clear > /dev/null && tput cols && echo cleared-$((1 + 1))\n", /80\s+cleared-2/);
      await logout(terminal);
    },
  );

  test("pages with less", async () => {
    const terminal = await login();
    await terminal.type("less text\n", "line 22");
    await terminal.type(" ", "line 45");
    await terminal.type("G", "line 199");
    await terminal.type("?line 7\n", "line 7");
    await terminal.type("q", "ready> ");
    await logout(terminal);
  });

  test("edits with vim", async () => {
    const terminal = await login();
    await terminal.type("vim -n text\n", "line 0");
    await terminal.type("5Gdd", "line 5");
    await terminal.type("onew line\x1b:wq\r", "written");
    await terminal.see("ready> ");
    await logout(terminal);
    const lines = m.read(`${J}/home/u/text`).split("\n");
    expect(lines.slice(3, 7)).toEqual(["line 3", "line 5", "new line", "line 6"]);
  });

  test("has a /tmp in the jail, and sees only its own processes", async () => {
    const terminal = await login();
    await terminal.type("cat <<END > /tmp/x\nhere\nEND\ncat /tmp/x && echo tmp-$((1 + 1))\n", "tmp-2");
    const users = "ps -e -o user= | sort -u | tr '\\n' ' '";
    await terminal.type(`echo from-$((1 + 1)); ${users}; echo users-$((1 + 1))\n`, "from-2");
    const shown = await terminal.see("users-2");
    expect(shown.trim().split(/\s+/)).toEqual(["u", "users-2"]);
    await logout(terminal);
    expect(m.stat(`${J}/tmp`)?.mode).toBe(0o041777);
    expect(m.read(`${J}/tmp/x`)).toBe("here\n");
  });
});
