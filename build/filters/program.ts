import { ALL, BPF, type Choice, type Decision, isEnd, type Piece } from "./decisions.ts";

/** The most instructions that a conditional jump skips. */
const FAR = 255;
/** So many single values are compared one after the other. */
const FEW = 3;

/** How to tell the pieces of a choice apart. */
type Plan =
  | { readonly kind: "piece"; readonly to: Decision }
  | {
      readonly kind: "jump";
      readonly code: number;
      readonly value: number;
      readonly yes: Plan;
      readonly no: Plan;
    };

const sizeOf = (plan: Plan): number => (plan.kind === "piece" ? 0 : 1 + sizeOf(plan.yes) + sizeOf(plan.no));

/** Single values among others that all lead to the same: a comparison each. */
function singles(pieces: readonly Piece[]): Plan | undefined {
  const counts = new Map<Decision, number>();
  for (const { to } of pieces) counts.set(to, (counts.get(to) ?? 0) + 1);
  const [[rest] = []] = [...counts].sort(([, a], [, b]) => b - a);
  if (rest === undefined) return undefined;
  const others = pieces.flatMap((piece, i) => {
    const next = pieces[i + 1];
    return piece.to === rest
      ? []
      : [{ ...piece, isSingle: next !== undefined && next.from === piece.from + 1 }];
  });
  if (others.length > FEW || others.some(({ isSingle }) => !isSingle)) return undefined;
  return others.reduceRight<Plan>(
    (no, { from, to }) => ({ kind: "jump", code: BPF.equal, value: from, yes: { kind: "piece", to }, no }),
    { kind: "piece", to: rest },
  );
}

/** The shortest of the plans that halve the pieces, about; the last of `pieces` may be cut. */
function planOf(pieces: readonly Piece[]): Plan {
  const done = new Map<string, Plan>();
  const of = (part: readonly Piece[]): Plan => {
    const [first, second] = part;
    if (first === undefined || second === undefined) return { kind: "piece", to: (first as Piece).to };
    const key = `${first.from} ${part.length}`;
    const plan = done.get(key) ?? singles(part) ?? halves(part);
    done.set(key, plan);
    return plan;
  };
  const halves = (part: readonly Piece[]): Plan => {
    const middle = part.length >> 1;
    const slack = Math.max(1, part.length >> 3);
    let best: Plan | undefined;
    for (let at = Math.max(1, middle - slack); at <= Math.min(part.length - 1, middle + slack); at++) {
      const piece = part[at] as Piece;
      const end = part[at + 1]?.from ?? ALL;
      // Where the piece begins, or within it, so that both halves have a part of it.
      const cuts = [{ low: part.slice(0, at), high: part.slice(at) }];
      if (end > piece.from + 1 && at < part.length - 1)
        cuts.push({
          low: part.slice(0, at + 1),
          high: [{ ...piece, from: piece.from + 1 }, ...part.slice(at + 1)],
        });
      for (const { low, high } of cuts) {
        const value = (high[0] as Piece).from;
        const plan: Plan = { kind: "jump", code: BPF.atLeast, value, yes: of(high), no: of(low) };
        if (best === undefined || sizeOf(plan) < sizeOf(best)) best = plan;
      }
    }
    return best as Plan;
  };
  return of(pieces);
}

/** Instructions from the last to the first, so that a jump knows where it leads. */
class Program {
  readonly #backwards: [code: number, yes: number, no: number, value: number][] = [];
  /** Where decisions are, and those behind the load of a word that is loaded already. */
  readonly #places = new Map<string, number>();

  #add(code: number, value: number, yes = 0, no = 0): number {
    return this.#backwards.push([code, yes, no, value]) - 1;
  }

  /** Puts a copy of what is at `place` where the next two instructions reach it, or a jump there. */
  #near(place: number): number {
    if (this.#backwards.length - place <= FAR - 1) return place;
    const [code = 0, , , value = 0] = this.#backwards[place] ?? [];
    return code === BPF.return
      ? this.#add(code, value)
      : this.#add(BPF.jump, this.#backwards.length - place - 1);
  }

  #plan(plan: Plan, loaded: number | undefined): number {
    if (plan.kind === "piece") return this.place(plan.to, loaded);
    let yes = this.#plan(plan.yes, loaded);
    let no = this.#plan(plan.no, loaded);
    yes = this.#near(yes);
    no = this.#near(no);
    const here = this.#backwards.length;
    return this.#add(plan.code, plan.value, here - yes - 1, here - no - 1);
  }

  #choice({ offset, mask, pieces }: Choice, loaded: number | undefined): number {
    const [zero, other, more] = pieces;
    const isBits = mask !== ALL && zero && other?.from === 1 && more === undefined;
    // What is compared with bits stays in the accumulator.
    const kept = mask === ALL || isBits ? offset : undefined;
    const any: Plan | undefined = isBits
      ? {
          kind: "jump",
          code: BPF.anyBit,
          value: mask,
          yes: { kind: "piece", to: other.to },
          no: { kind: "piece", to: zero.to },
        }
      : undefined;
    let first = this.#plan(any ?? planOf(pieces), kept);
    if (kept === undefined) first = this.#add(BPF.and, mask);
    return loaded === offset ? first : this.#add(BPF.load, offset);
  }

  /** Where a decision is. `loaded`: the offset of the word in the accumulator. */
  place(decision: Decision, loaded?: number): number {
    const key = isEnd(decision) || decision.offset !== loaded ? `${decision.id}` : `${decision.id} loaded`;
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const place = isEnd(decision) ? this.#add(BPF.return, decision.action) : this.#choice(decision, loaded);
    this.#places.set(key, place);
    return place;
  }

  words(): Uint32Array {
    const forwards = this.#backwards.toReversed();
    return Uint32Array.from(
      forwards.flatMap(([code, yes, no, value]) => [code | (yes << 16) | (no << 24), value]),
    );
  }
}

/** The filter that decides so: an array of struct sock_filter, two words each. */
export function programOf(decision: Decision): Uint32Array {
  const program = new Program();
  program.place(decision);
  return program.words();
}
