/** Machines that have addresses of their own. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { type Fleet, openFleet } from "./fleet.ts";

setDefaultTimeout(120_000);

const NAMES = ["web1", "web2", "web3"];
const links = () => readdirSync("/sys/class/net").sort();
const before = links();
let fleet: Fleet;

beforeAll(async () => {
  fleet = await openFleet(NAMES);
});
afterAll(() => fleet?.control.close());

const ssh = ["ssh", "-o", "StrictHostKeyChecking=accept-new", "-o", "BatchMode=yes"];

test("the first reaches the others by ssh, and knows them again", () => {
  const { control } = fleet;
  for (const name of NAMES)
    expect(control.run([...ssh, `root@${name}`, "hostname"])).toMatchObject({
      status: 0,
      stdout: `${name}\n`,
    });
  const strict = ["ssh", "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"];
  for (const name of NAMES) expect(control.run([...strict, `root@${name}`, "true"]).status).toBe(0);
});

test("what is done on one is seen on no other, nor here", () => {
  fleet.machines[0]?.write("/etc/left", "x");
  expect(fleet.machines.map((one) => one.exists("/etc/left"))).toEqual([true, false, false]);
  expect(fleet.control.exists("/etc/left")).toBe(false);
  expect(links()).toEqual(before);
});

test("they reach each other", () => {
  const [first] = fleet.machines;
  const keys = first?.must(["ssh-keyscan", "-q", "-t", "ed25519", "web3"]).stdout ?? "";
  const [type, key] = (fleet.machines[2]?.read("/etc/ssh/ssh_host_ed25519_key.pub") ?? "").split(" ");
  expect(keys).toBe(`web3 ${type} ${key}\n`);
  expect(first?.read("/etc/ssh/ssh_host_ed25519_key.pub")).not.toContain(key ?? "");
});

test("nothing is left of them", async () => {
  const own = await openFleet(["one"]);
  const pids = [own.control.pid, ...own.machines.map(({ pid }) => pid)];
  await own.control.close();
  const running = new Set(readdirSync("/proc"));
  expect(pids.filter((pid) => running.has(String(pid)))).toEqual([]);
  expect(links()).toEqual(before);
});
