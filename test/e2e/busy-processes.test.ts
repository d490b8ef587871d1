/** A look for what processes keep, while others begin and end all the time. */
import { expect, test } from "bun:test";
import { lookAtHolders } from "../../src/system/holders.ts";

const UID = 47_120;

test("who starts processes all the time that end at once may have any uid, and nobody else is kept waiting", async () => {
  const program = `
import os, sys, time
os.setresuid(*[int(sys.argv[1])] * 3)
end = time.monotonic() + 60
for _ in range(4): os.fork()
print("there", flush=True)
while time.monotonic() < end:
    if os.fork() == 0: os.execv("/bin/true", ["true"])
    os.wait()
`;
  const one = Bun.spawn(["python3", "-c", program, `${UID}`], { stdout: "pipe", stderr: "ignore" });
  await one.stdout.getReader().read();
  const doubtful = lookAtHolders(() => undefined, "");
  Bun.spawnSync(["python3", "-c", `import os; os.setresuid(*[${UID}] * 3); os.kill(-1, 9)`]);
  await one.exited;
  const passing = doubtful.filter(({ may }) => may.startsWith("others that end"));
  // Where processors are many, each is looked at.
  if (passing.length > 0) expect(passing.flatMap(({ uids }) => [...uids])).toContain(`${UID}`);
}, 60_000);
