/** What a customer types first in a new jail by ssh, copied and live, and that jk_check finds nothing in it. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(240_000);

let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.write("/usr/share/man/man1/first-day.1", ".TH first-day 1\n.SH NAME\nfirst-day \\- a page\n");
});
afterAll(async () => m.close());

describe.each([
  ["copied", []],
  ["live", ["--live"]],
] as const)("a %s jail", (kind, options) => {
  const jail = `/srv/${kind}`;
  const user = `${kind}1`;
  const type = (command: string) => m.run(["su", "-", user, "-c", command]);

  beforeAll(() => {
    m.must(["jk_init", ...options, "-j", jail, "interactiveshell", "python"]);
    m.must(["jk_addjailuser", "-j", jail, "-s", "/bin/bash", "-p", "*", user]);
  });

  test.each([
    ["TERM=xterm bash -ic 'alias ls'", /^alias ls='ls --color=auto'$/m],
    ["which vim", /^\/usr\/bin\/vim$/m],
    ["df .", /^Filesystem/],
    ["getent passwd $USER", /^\w+1:x:/],
    ["seq 3 | xargs -n1 printf '%s-' | tee note; diff note note && stat -c %s note", /^1-2-3-6$/m],
    ['python3 -c "import multiprocessing as m; print(m.Pool(2).map(abs, [-1, -2]))"', /^\[1, 2\]$/m],
  ])("%s", (command, printed) => {
    expect(type(command)).toMatchObject({ status: 0, stdout: expect.stringMatching(printed) });
  });

  test("nothing in it is a finding, also while a user has shared memory", () => {
    expect(type("echo x > /dev/shm/mine").status).toBe(0);
    expect(m.run(["jk_check", jail])).toMatchObject({ status: 0, stdout: "" });
    m.must(["jk_update", "-j", jail]);
    expect(type("cat /dev/shm/mine").stdout).toBe("x\n");
  });
});

test("a live jail shows manual pages", () => {
  expect(m.run(["su", "-", "live1", "-c", "man -w first-day"])).toMatchObject({
    status: 0,
    stdout: "/usr/share/man/man1/first-day.1\n",
    stderr: "",
  });
});
