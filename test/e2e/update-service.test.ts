/** jailkit-update.service, run by systemd: what jk_update mounts in a jail is there for all, not for the service alone. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "../machine/helper.ts";
import { openStage, type Stage } from "../words/scene.ts";
import { RECIPES } from "../words/scenes/recipes.ts";

setDefaultTimeout(120_000);

const UNIT = "jailkit-update.service";
const jail = "/srv/jail";
let stage: Stage;

beforeAll(async () => {
  stage = await openStage(RECIPES);
  const { m, must } = stage;
  const tool = (await must("command -v jk_update")).trim();
  const unit = readFileSync(join(checkout, "docs/units", UNIT), "latin1");
  m.write(`/etc/systemd/system/${UNIT}`, unit.replace("/usr/sbin/jk_update", tool));
  m.write("/etc/jailkit/jk_init.d/test.ini", "[test]\nneed_proc = 1\nsockets = /run/svc/socket\n");
  await must("systemctl daemon-reload && useradd --system svc && install -d -o svc /run/svc");
  await must(`jk_init -j ${jail} uidbasics test && umount ${jail}/proc ${jail}/run/svc`);
});
afterAll(async () => stage?.m.close());

test("the service mounts what is missing", async () => {
  const mounts = async () => (await stage.must("cat /proc/self/mountinfo")).match(/(?<= )\/srv\/jail\/\S+/g);
  expect(await mounts()).toBeNull();
  await stage.must(`systemctl start ${UNIT}`);
  expect((await mounts())?.sort()).toEqual([`${jail}/proc`, `${jail}/run/svc`]);
});
