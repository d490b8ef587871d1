/**
 * What the running sshds do, where that is more than their configuration file: options, two servers, a file that was
 * changed since, addresses that are refused for a time, and sessions without a terminal. Each answer of `jailkit explain`
 * is compared with logins.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ExplainReport, explainReportSchema } from "../../src/explain/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import type { MachineProcess } from "../machine/process.ts";
import { reportOf } from "../report.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const CONFIG = "/etc/ssh/sshd_config";
const OTHER = "/etc/ssh/other_config";
const KEY = "/root/key";
const SETTINGS = [
  ...["ListenAddress 127.0.0.1", "HostKey /root/host", "UsePAM no", "PrintMotd no", "PerSourcePenalties no"],
  ...["PasswordAuthentication no", "Subsystem sftp /usr/lib/openssh/sftp-server"],
];

let m: Machine;
let servers: MachineProcess[] = [];
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.mkdir("/run/sshd");
  m.remove("/etc/ssh/sshd_config.d");
  for (const key of ["/root/host", KEY]) m.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key]);
  m.must(["jk_init", "-j", "/srv/j", "jk_lsh"]);
  m.must(["jk_cp", "-j", "/srv/j", "/bin/sh", "/usr/bin/tty"]);
  m.must(["jk_addjailuser", "-j", "/srv/j", "-s", "/bin/sh", "--authorized-key", `${KEY}.pub`, "u"]);
  m.must(["usermod", "-p", "*", "u"]);
});
afterAll(() => m?.close());
beforeEach(async () => {
  await stop();
  m.remove("/etc/ssh/sshd_config.d");
  configure(CONFIG);
});

async function stop(): Promise<void> {
  for (const server of servers) server.kill();
  for (const server of servers) await server.ended;
  servers = [];
}

const configure = (file: string, ...lines: string[]) =>
  m.write(file, `${[...lines, ...SETTINGS].join("\n")}\n`);

const start = (...options: string[]) => startAs([], ...options);

async function startAs(before: readonly string[], ...options: string[]): Promise<MachineProcess> {
  const server = m.start([...before, "/usr/sbin/sshd", "-D", "-e", ...options]);
  servers.push(server);
  await server.until(({ stderr }) => /Server listening on/.test(stderr) || undefined);
  return server;
}

function explain(...options: string[]): { report: ExplainReport; last: string } {
  const how = [...options, "u", "--", "echo inside"];
  const report = reportOf(explainReportSchema, m.run(["jailkit", "explain", "--json", ...how]).stdout);
  const { stdout } = m.run(["jailkit", "explain", ...how]);
  return { report, last: stdout.trimEnd().split("\n").at(-1) ?? "" };
}
const stepOf = ({ steps }: ExplainReport, name: string) => steps.find((step) => step.name === name);

function login(port: number, ...options: string[]): boolean {
  const client = ["-F", "none", "-i", KEY, "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes"];
  const known = ["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-p", `${port}`];
  return (
    m.run(["ssh", ...client, ...known, ...options, "-l", "u", "127.0.0.1", "echo inside"]).stdout ===
    "inside\n"
  );
}

describe("options of the running sshd", () => {
  test.each([
    ["-o AllowUsers=root", ["-o", "AllowUsers=root"], "allowed-users"],
    ["-oAllowUsers=root", ["-oAllowUsers=root"], "allowed-users"],
    ["-o PubkeyAuthentication=no", ["-e", "-oPubkeyAuthentication=no"], "credentials"],
    ["a value with blanks", ["-o", "AllowUsers root daemon"], "allowed-users"],
  ])("%s counts before the file", async (_what, options, check) => {
    await start(...options);
    const { report } = explain();
    expect(report.verdict).toBe("refused");
    const step = stepOf(report, check);
    expect(step?.outcome).toBe("failed");
    expect(step?.message).toContain("; if an option of sshd sets it (-o ");
    expect(stepOf(report, "server")?.message).toContain("with the options -o ");
    expect(login(22)).toBe(false);
  });

  test("-p: a Match block by port", async () => {
    configure(CONFIG);
    m.write(CONFIG, `${m.read(CONFIG)}Match LocalPort 2222\nAllowUsers root\n`);
    await start("-p", "2222");
    expect(explain().report.verdict).toBe("refused");
    expect(login(2222)).toBe(false);
    await stop();
    await start();
    expect(explain().report.verdict).toBe("works");
    expect(login(22)).toBe(true);
  });

  test("-f: another file, which remedies name", async () => {
    configure(OTHER, "MaxAuthTries 0");
    await start("-f", OTHER);
    const { report } = explain();
    expect(report.verdict).toBe("refused");
    expect(stepOf(report, "max-auth-tries")?.message).toEndWith(` in ${OTHER}`);
    expect(login(22)).toBe(false);
    await stop();
    configure(CONFIG, "AllowUsers root");
    configure(OTHER, "Match Address 127.0.0.9", "AllowUsers root", "Match all");
    await start("-f", OTHER);
    expect(stepOf(explain().report, "match")?.outcome).toBe("unknown");
    expect(explain("--from", "127.0.0.1").report.verdict).toBe("works");
    expect(login(22)).toBe(true);
  });

  test("without one, the answer is for the time when one runs", async () => {
    expect(explain().last).toBe("A login of u would work, once sshd runs.");
    expect(login(22)).toBe(false);
    await start();
    const { report, last } = explain();
    expect([report.verdict, last]).toEqual(["works", "A login of u would work."]);
    expect(login(22)).toBe(true);
  });
});

describe("two sshds", () => {
  test("with different settings: it depends on which is called", async () => {
    configure(OTHER, "AllowUsers root", "Port 2222", "PidFile none");
    await start();
    await start("-f", OTHER);
    const { report, last } = explain();
    expect(report.verdict).toBe("unknown");
    expect(stepOf(report, "servers")?.message).toContain(`with the options -f ${OTHER}`);
    expect(last).toContain("A login of u may fail: ");
    expect([login(22), login(2222)]).toEqual([true, false]);
  });

  test("that both refuse, or both accept", async () => {
    configure(OTHER, "Port 2222", "PidFile none");
    await start();
    await start("-f", OTHER);
    expect(explain().report.verdict).toBe("works");
    expect([login(22), login(2222)]).toEqual([true, true]);
    await stop();
    configure(CONFIG, "AllowUsers root");
    configure(OTHER, "Port 2222", "PidFile none", "MaxSessions 0");
    await start();
    await start("-f", OTHER);
    expect(explain().report.verdict).toBe("refused");
    expect([login(22), login(2222)]).toEqual([false, false]);
  });
});

test("that of a container is none, also if the container has the processes of the machine", async () => {
  configure(OTHER, "AllowUsers root", "Port 2222", "PidFile none");
  const script = `mount -t tmpfs tmpfs /mnt
for name in bin sbin lib lib64 usr dev etc run root proc; do
  mkdir /mnt/$name
  mount --rbind /$name /mnt/$name
done
cd /mnt
/usr/sbin/pivot_root . .
exec "$@"`;
  await start();
  await startAs(["unshare", "--mount", "sh", "-e", "-c", script, "sh"], "-f", OTHER);
  expect(explain().report.verdict).toBe("works");
  expect([login(22), login(2222)]).toEqual([true, false]);
});

describe("a configuration that was changed since sshd read it", () => {
  /** Types the remedy; sshd listens again after that. */
  async function reload(server: MachineProcess, remedy: string | null | undefined): Promise<void> {
    expect(typeRemedy(m, remedy ?? "").status).toBe(0);
    await server.until(({ stderr }) => stderr.split("Server listening on").length > 2 || undefined);
    // sshd writes its PidFile before it accepts a connection.
    login(22);
  }

  test("the file: sshd still has the old one, until it reads it again", async () => {
    const server = await start();
    expect(login(22)).toBe(true);
    configure(CONFIG, "AllowUsers root");
    const { report } = explain();
    expect(report.verdict).toBe("unknown");
    const step = stepOf(report, "reload");
    expect(step?.message).toMatch(
      /^\/etc\/ssh\/sshd_config has changed, and sshd \(process \d+\) has not read it yet$/,
    );
    expect(stepOf(report, "allowed-users")?.outcome).toBe("unknown");
    expect(login(22)).toBe(true);
    await reload(server, step?.remedy);
    expect(explain().report.verdict).toBe("refused");
    expect(login(22)).toBe(false);
  });

  test.each([
    ["that appears in a directory", (file: string) => m.write(file, "AllowUsers root\n")],
    [
      "that is replaced by an older one",
      (file: string) =>
        m.must([
          "sh",
          "-ec",
          `echo AllowUsers root > ${file}x; touch -d 2001-01-01 ${file}x; mv ${file}x ${file}`,
        ]),
    ],
  ])("a file %s of Include", async (_what, change) => {
    m.mkdir("/etc/ssh/sshd_config.d");
    configure(CONFIG, "Include /etc/ssh/sshd_config.d/*.conf");
    const server = await start();
    expect(login(22)).toBe(true);
    expect(explain().report.verdict).toBe("works");
    change("/etc/ssh/sshd_config.d/a.conf");
    const { report } = explain();
    expect(report.verdict).toBe("unknown");
    expect(login(22)).toBe(true);
    await reload(server, stepOf(report, "reload")?.remedy);
    expect(explain().report.verdict).toBe("refused");
    expect(login(22)).toBe(false);
  });

  test("without PidFile it is unknown whether sshd has read it", async () => {
    configure(CONFIG, "PidFile none");
    await start();
    expect(explain().report.verdict).toBe("works");
    expect(login(22)).toBe(true);
    configure(CONFIG, "PidFile none", "AllowUsers root");
    const { report } = explain();
    expect(report.verdict).toBe("unknown");
    expect(stepOf(report, "reload")?.message).toContain("may not have been read yet");
    expect(login(22)).toBe(true);
  });
});

test("an address with a penalty is refused, and another is not", async () => {
  configure(CONFIG, "PerSourcePenalties authfail:300s noauth:300s min:1s");
  const server = await start();
  const verdict = "A login of u would work, from an address that sshd does not refuse at the moment.";
  expect(explain().last).toBe(verdict);
  const from = ["-b", "127.0.0.2"];
  expect([login(22), login(22, ...from)]).toEqual([true, true]);
  // The first of two values counts.
  expect(login(22, ...from, "-l", "nobody-here")).toBe(false);
  await server.until(() => !login(22, ...from) || undefined);
  expect(login(22)).toBe(true);
  expect(explain().last).toBe(verdict);
  expect(explain("--from", "127.0.0.2").last).toBe(verdict);
  await server.until(({ stderr }) => stderr.includes("penalty") || undefined);
});
