import { expect } from "bun:test";
import { REPORT_SCHEMAS } from "../../../build/schemas.ts";
import { reportOf, reportToolOf } from "../../report.ts";
import type { Scene, Stage, Step } from "../scene.ts";

/** The output of each line is JSON of its schema; warnings are on the screen, too. */
function checkJson(_stage: Stage, outputs: readonly string[], lines: readonly string[]): void {
  lines.forEach((line, index) => {
    const json = (outputs[index] ?? "").replace(/^(?:jk_\w+|jailkit[\w -]*): .*\n?/gm, "");
    reportOf(REPORT_SCHEMAS[reportToolOf(line.split(" "))], json);
  });
}

const json: Step = { after: checkJson };

const SHOP = "/etc/jailkit/jails.d/shop.ini";

/** Each line of apply is JSON of its schema, and then nothing is left to do. */
const applied: Step = {
  after({ m }, outputs, lines) {
    lines.forEach((line, index) => {
      if (!line.startsWith("jailkit apply")) return;
      const printed = (outputs[index] ?? "").split("\n").filter((one) => one.startsWith("{"));
      expect(printed.length).toBeGreaterThan(1);
      for (const one of printed) reportOf(REPORT_SCHEMAS["jailkit apply"], one);
    });
    expect(m.run(["jailkit", "apply", "--check", "--prune"]).status).toBe(0);
  },
};

const SUBORDINATES = ["/etc/subuid", "/etc/subgid"];

/** docs/panels.md: every command, in order; test/e2e/panels.test.ts has what goes wrong. */
export const PANELS: Scene = {
  prepare({ m }) {
    m.addUser("customer2", { uid: 4002, home: "/home/customer2", createHome: true });
    m.must(["jk_init", "-j", "/srv/old", "uidbasics"]);
    m.must(["jk_cp", "-j", "/srv/old", "tail"]);
    m.remove("/var/lib/jailkit");
  },
  steps: {
    "jk_init --list --json": json,
    "jk_addjailuser --json -j /srv/customer -s /bin/bash customer1": json,
    // There is no sshd that could be asked.
    "jailkit explain --json customer1": { ...json, status: { "jailkit explain --json customer1": 2 } },
    "usermod -e 1 customer1": {
      after: (_, outputs) => void reportOf(REPORT_SCHEMAS["jailkit terminate-user"], outputs[1] ?? ""),
    },
    "jk_jailuser --json --unjail --move -- customer2": json,
    "[jail /srv/shop]": { file: SHOP },
    "jailkit apply --json --check --prune /etc/jailkit/jails.d/shop.ini": {
      ...applied,
      status: { "jailkit apply --json --check --prune /etc/jailkit/jails.d/shop.ini": 10 },
    },
    "cp /etc/jailkit/jails.d/shop.ini /etc/jailkit/jails.d/shop.ini.tmp": {
      after: (_, outputs) =>
        expect(reportOf(REPORT_SCHEMAS["jailkit apply"], outputs[1] ?? "")).toMatchObject({ problems: [] }),
    },
    "usermod -l store shop": {
      after(stage, outputs, lines) {
        applied.after?.(stage, outputs, lines);
        const { m } = stage;
        expect(m.read("/srv/shop/etc/passwd")).toMatch(/^store:x:\d+:100::\/home\/shop:\/bin\/bash$/m);
        for (const file of SUBORDINATES) {
          expect(m.exists(file) ? m.read(file) : "").not.toMatch(/shop|store/);
          m.write(file, "shop:100000:65536\nshopper:165536:65536\n");
        }
      },
    },
    "sed -i '/^shop:/d' /etc/subuid /etc/subgid": {
      after: ({ m }) =>
        expect(SUBORDINATES.map((file) => m.read(file))).toEqual(
          SUBORDINATES.map(() => "shopper:165536:65536\n"),
        ),
    },
    "mkdir -p /srv/disk2": {
      after({ m }) {
        expect(m.run(["jailkit", "apply", "--check", "--prune"]).status).toBe(0);
        expect(m.read("/etc/passwd")).toContain(":/srv/disk2/shop/./home/shop:");
      },
    },
    "cp /etc/jailkit/jails.d/shop.ini /root/shop.ini": {
      async after(stage, outputs, lines) {
        applied.after?.(stage, outputs, lines);
        const { m } = stage;
        expect([m.exists("/srv/disk2/shop"), m.run(["id", "store"]).status]).toEqual([false, 1]);
        m.write(SHOP, m.read("/root/shop.ini"));
        m.must(["jailkit", "apply", SHOP]);
        m.write(SHOP, "");
        m.must(["jailkit", "apply", "--prune", "--delete-homes", SHOP]);
        m.remove(SHOP);
      },
    },
    "jk_update --json --check --all": json,
    "jk_check --json --run /srv/customer": {
      ...json,
      status: {
        // Users see only that programs in it can start others: no fault of the jail's.
        "jk_check --json --run /srv/customer": 1,
        // It does not run.
        "jailkit log-sockets --json": 1,
      },
    },
    "jk_cp --json --remove -j /srv/customer -- /usr/bin/strace": json,
    "jailkit adopt --json /srv/old": json,
    "jailkit export /srv/customer > /root/customer.json": {
      after: ({ m }) => void reportOf(REPORT_SCHEMAS["jailkit export"], m.read("/root/customer.json")),
    },
    "jailkit import --json --dry-run --without-users -j /srv/second /root/customer.json": {
      after(stage, outputs, lines) {
        checkJson(stage, outputs, lines);
        const { m } = stage;
        expect(m.must(["jk_update", "--check", "-j", "/srv/second"]).stdout).toBe("");
        expect(m.must(["jailkit", "list", "/srv/second"]).stdout).toMatch(/ready +- +basicshell/);
      },
    },
    "jailkit forget --json --dry-run /srv/old": {
      after(stage, outputs, lines) {
        checkJson(stage, outputs, lines);
        const { m } = stage;
        expect(m.exists("/srv/old/usr/bin/tail")).toBe(true);
        expect(m.must(["jailkit", "list"]).stdout).not.toContain("/srv/old");
      },
    },
    "jailkit delete --json --dry-run --unjail /srv/customer": {
      after(stage, outputs, lines) {
        checkJson(stage, outputs, lines);
        const { m } = stage;
        expect(m.exists("/srv/customer")).toBe(false);
        expect(m.read("/etc/passwd")).toContain(":/home/customer2:/bin/sh");
        expect(m.read("/etc/passwd")).toMatch(/^customer1:.*:\/home\/customer1:/m);
      },
    },
  },
};
