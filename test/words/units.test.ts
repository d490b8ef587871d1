/** systemd accepts the units in docs/units, which are copied as they are, without complaints. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "../machine/helper.ts";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const folder = join(checkout, "docs/units");
const units = readdirSync(folder).filter((name) => /\.(?:service|socket|timer)$/.test(name));
const place = (name: string) => `/etc/systemd/system/${name}`;

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  for (const name of units) m.write(place(name), readFileSync(join(folder, name)));
  // The programs of the examples, and the manual, which is installed with the packages.
  m.write("/usr/sbin/php-fpm8.4", "", { mode: 0o755 });
});
afterAll(() => m?.close());

test.each(units)("%s", (name) => {
  const { status, stderr } = m.run(["systemd-analyze", "verify", "--man=no", place(name)]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
});
