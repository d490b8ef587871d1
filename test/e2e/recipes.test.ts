/**
 * The commands of docs/recipes.md, typed as shown, and then observed in logins of the jailed account: when an account
 * may log in, for how long, how often, and which of its processes run. recipes-kernel.test.ts has what affects a whole
 * kernel.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { logged, login, m, must, PROMPT, reloading, setScene, stage, terminal } from "./recipes-machine.ts";
import { client, follow } from "./recipes-scene.ts";

setScene();

test("the account is jailed", () => {
  expect(login("ls /home")).toMatchObject({ status: 0, stdout: "anna\n" });
});

describe("only at certain hours", () => {
  /** Sets the machine's time zone to one where it is this hour now. */
  const setHour = (hour: number) => {
    const ahead = ((hour - new Date().getUTCHours() + 36) % 24) - 12;
    m.remove("/etc/localtime");
    m.symlink(`/usr/share/zoneinfo/Etc/GMT${ahead > 0 ? "-" : "+"}${Math.abs(ahead)}`, "/etc/localtime");
  };
  afterAll(() => must("sed -i '/pam_time/d' /etc/pam.d/sshd"));

  test("before, at any", () => {
    setHour(3);
    expect(login("true").status).toBe(0);
  });

  test("then by day, and the log shows the refusal at night", async () => {
    await follow(stage, "Only at certain hours");
    setHour(3);
    expect(login("true").status).toBe(255);
    expect(login("true", "bob").status).toBe(0);
    expect(await logged("sshd-session", "Access denied for user anna by PAM account configuration")).toBe(1);
    setHour(12);
    const open = terminal();
    await open.see(PROMPT);
    setHour(19);
    expect(login("true").status).toBe(255);
    await open.type("echo still $((6*7))\n", "still 42");
    open.process.kill();
  });
});

describe("idle sessions", () => {
  test("end by themselves, and so do connections without sessions", async () => {
    await reloading(() => follow(stage, "Idle sessions", 0));
    expect(await must("sshd -T | grep -E 'channeltimeout|unusedconn'")).toBe(
      "unusedconnectiontimeout 60\nchanneltimeout global=15m",
    );
    // The page's lines, but for the length of time.
    await must("sed -i 's/15m/4s/; s/ 1m/ 1s/' /etc/ssh/sshd_config.d/idle.conf");
    await reloading(() => must("systemctl reload ssh"));
    const busy = m.start(client([], "anna", "while sleep 0.2; do echo busy; done"));
    const idle = terminal();
    await idle.see(PROMPT);
    const transfer = m.start(client(["-s"], "anna", "sftp"));
    const unused = m.start(client(["-N"], "anna", ""));
    for (const { ended } of [idle.process, transfer, unused]) expect((await ended).status).toBe(255);
    const before = busy.stdout.length;
    await busy.until(({ stdout }) => stdout.length > before || undefined);
    busy.kill();
    await reloading(() => must("rm /etc/ssh/sshd_config.d/idle.conf && systemctl reload ssh"));
  });

  test("leave nothing behind", async () => {
    await follow(stage, "Idle sessions", 1);
    const begun = 'until read -r name < /proc/$!/comm && [ "$name" = sleep ]; do :; done';
    const leave = `sleep 4242 > /dev/null 2>&1 < /dev/null & ${begun}`;
    expect(login(leave, "bob").status).toBe(0);
    expect(login(leave).status).toBe(0);
    while (m.run(["pgrep", "-u", "anna", "sleep"]).status === 0);
    expect(await must("pgrep -u bob sleep")).not.toBe("");
  });
});

describe("number of logins", () => {
  /** Waits until logind knows of no session of the account, but for that of its manager. */
  const closed = async () => {
    while (/ anna .* user /.test(await must("loginctl list-sessions --no-legend")));
  };

  test("before, any", async () => {
    const sessions = [terminal(), terminal()];
    for (const one of sessions) await one.see(PROMPT);
    for (const one of sessions) one.process.kill();
    await closed();
  });

  test("then one, with a terminal or without", async () => {
    await follow(stage, "Number of logins");
    const tooMany = "There were too many logins for 'anna'.";
    const first = terminal();
    await first.see(PROMPT);
    expect((await terminal().process.ended).stdout).toContain(tooMany);
    expect(login("true").status).not.toBe(0);
    first.process.write("exit\n");
    await first.process.ended;
    await closed();
    const second = m.start(client([], "anna", "echo begun; exec cat"));
    await second.until(({ stdout }) => stdout.includes("begun") || undefined);
    expect((await terminal().process.ended).stdout).toContain(tooMany);
    expect(login("true").status).not.toBe(0);
    second.kill();
    await closed();
    expect(login("true").status).toBe(0);
    await must("rm /etc/security/limits.d/jailed.conf");
  });
});

describe("CPU, memory and processes", () => {
  test("each session is in the slice of the account", async () => {
    await follow(stage, "CPU, memory and processes");
    const { uid } = m.ids("anna");
    expect(login("cat /proc/self/cgroup").stdout).toContain(`user.slice/user-${uid}.slice/session-`);
  });
});

describe("cron and at", () => {
  const FIFO = "/var/tmp/told";
  const JOB = `id -un > ${FIFO}`;
  const as = "cd / && setpriv --reuid anna --regid users --init-groups";
  const handIn = () => stage.shell.type(`${as} sh -c 'echo "${JOB}" | at now'`);
  const told = () => m.must(["cat", FIFO]).stdout;
  const restart = (daemon: string) => must(`rm -f /run/crond.reboot && systemctl restart ${daemon}`);

  beforeAll(() => must(`mkfifo -m 0666 ${FIFO}`));

  test("before, jobs run outside of the jail", async () => {
    await must(`echo '@reboot ${JOB}' | crontab -u anna -`);
    await restart("cron");
    expect(told()).toBe("anna\n");
    await restart("atd");
    expect(await handIn()).toMatchObject({ status: 0 });
    expect(told()).toBe("anna\n");
  });

  test("then none runs, not even existing ones", async () => {
    await follow(stage, "cron and at", 0);
    await restart("cron");
    while ((await logged("CRON", "Authentication failure")) === 0);
    expect(await handIn()).toMatchObject({ status: 0 });
    while ((await logged("atd", "Authentication failure")) === 0);
    // Of others they do.
    await must(`echo '@reboot ${JOB}' | crontab -u bob - && crontab -u anna -l`);
    await restart("cron");
    expect(told()).toBe("bob\n");
  });

  test("and none can be submitted", async () => {
    await follow(stage, "cron and at", 1);
    expect((await stage.shell.type(`${as} crontab -l`)).output).toContain("(anna) are not allowed");
    expect((await handIn()).output).toContain("You do not have permission to use at");
  });
});
