/**
 * Everything that a reader can type is typed here: every block of README.md, docs/ and the manual pages, in the order
 * of the text, by root at a terminal, on a machine for each document. A block that is not run has a comment before it
 * with the reason. JK_WORDS is a pattern that selects documents.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Block, blocksOf, documents, readDocument } from "./blocks.ts";
import { openStage, playBlock, type Scene, type Stage, type Step } from "./scene.ts";
import { SCENES } from "./scenes/index.ts";

setDefaultTimeout(600_000);

const all = documents().flatMap((document) => blocksOf(document));
const selected = new RegExp(Bun.env.JK_WORDS ?? "");
let run = 0;

const place = ({ document, line }: Block) => `${document}:${line}`;
const firstLine = ({ text }: Block) => text.split("\n")[0] ?? "";

/** The steps of a scene by blocks: the n-th block with a first line has `LINE #n`. */
function stepsOf(scene: Scene, blocks: readonly Block[]): { block: Block; key: string; step: Step }[] {
  const seen = new Map<string, number>();
  return blocks.map((block) => {
    const line = firstLine(block);
    const count = (seen.get(line) ?? 0) + 1;
    seen.set(line, count);
    const key = count === 1 ? line : `${line} #${count}`;
    return { block, key, step: scene.steps?.[key] ?? {} };
  });
}

for (const document of documents()) {
  const blocks = all.filter((block) => block.document === document && block.notRun === undefined);
  if (blocks.length === 0 || !selected.test(document)) continue;
  const scene = SCENES[document] ?? {};
  const steps = stepsOf(scene, blocks);
  describe(document, () => {
    let stage: Stage | undefined;
    beforeAll(async () => {
      stage = await openStage(scene);
    });
    afterAll(() => stage?.m.close());

    test.each(steps.map(({ block, step, key }) => [block.line, key, block, step] as const))(
      "line %d: %s",
      async (_line, _key, block, step) => {
        if (stage === undefined) throw new Error("the machine did not start");
        if (step.apart) {
          const other = await openStage(scene);
          try {
            await playBlock(other, block, step);
          } finally {
            await other.m.close();
          }
        } else await playBlock(stage, block, step);
        run++;
      },
    );

    test("nothing is expected of blocks that are not there", () => {
      const keys = new Set(steps.map(({ key }) => key));
      expect(Object.keys(scene.steps ?? {}).filter((key) => !keys.has(key))).toEqual([]);
    });
  });
}

test("a block that is not run has a reason, and a reason has a block", () => {
  expect(all.filter(({ notRun }) => notRun === "").map(place)).toEqual([]);
  const reasons = documents().flatMap(
    (document) => readDocument(document).match(/^(?:<!--|\.\\") not run:/gm) ?? [],
  );
  expect(all.filter(({ notRun }) => notRun !== undefined)).toHaveLength(reasons.length);
});

test("every scene is of a document that is there", () => {
  expect(Object.keys(SCENES).filter((document) => !documents().includes(document))).toEqual([]);
});

afterAll(() => {
  const left = all.filter(({ notRun }) => notRun !== undefined);
  console.log(`${all.length} blocks: ${run} run, ${left.length} not run`);
  for (const block of left) console.log(`  ${place(block)}: ${firstLine(block)} (${block.notRun})`);
});
