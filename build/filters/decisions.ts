import { FilterError } from "./text.ts";

/** Where a filter ends: the value that it returns. */
export interface End {
  readonly id: number;
  readonly action: number;
}

/** A range of values: up to the next piece, or to the largest. */
export interface Piece {
  readonly from: number;
  readonly to: Decision;
}

/** A choice by a word of struct seccomp_data at `offset`, of which only the bits in `mask` count. */
export interface Choice {
  readonly id: number;
  readonly offset: number;
  readonly mask: number;
  /** The first begins at 0; neighbours differ. */
  readonly pieces: readonly Piece[];
}

/** What a filter says. */
export type Decision = End | Choice;

export const isEnd = (decision: Decision): decision is End => "action" in decision;

/** All bits of a word. */
export const ALL = 0xffffffff;

/** Instructions of bpf(4). */
export const BPF = {
  load: 0x20,
  and: 0x54,
  jump: 0x05,
  equal: 0x15,
  greater: 0x25,
  atLeast: 0x35,
  anyBit: 0x45,
  return: 0x06,
} as const;

const KILL_PROCESS = 0x80000000;
const ACTION = 0xffff0000;

/** A word, or some of its bits. */
interface Word {
  readonly offset: number;
  readonly mask: number;
}

/** What is known of it: that all choices by the same bits take the piece of this value. */
interface Known extends Word {
  readonly value: number;
  /** It is the value of the whole word, and decides choices by some of its bits, too. */
  readonly isWhole: boolean;
}

const pieceOf = (pieces: readonly Piece[], value: number): Decision => {
  const piece = pieces.findLast(({ from }) => from <= value);
  if (piece === undefined) throw new FilterError("a choice without a first piece");
  return piece.to;
};

/** Of ends of filters that were installed in this order, the one that the kernel takes: see seccomp(2). */
function strictestOf(ends: readonly End[]): End {
  // As numbers with a sign, stricter actions are lower.
  const rank = ({ action }: End) => action & ACTION;
  return ends.reduce((before, end) => (rank(end) <= rank(before) ? end : before));
}

/** The values where choices by these bits change, in all that these decisions lead to. */
function startsOf(all: readonly Decision[], offset: number, mask: number): number[] {
  const starts = new Set<number>();
  const seen = new Set<Decision>();
  const visit = (decision: Decision): void => {
    if (isEnd(decision) || seen.has(decision)) return;
    seen.add(decision);
    const isSame = decision.offset === offset && decision.mask === mask;
    for (const { from, to } of decision.pieces) {
      if (isSame) starts.add(from);
      visit(to);
    }
  };
  for (const one of all) visit(one);
  return [...starts].sort((a, b) => a - b);
}

/** True if the mask leaves out only the lowest bits, so that the words with one value of it follow each other. */
const isOfHighBits = (mask: number): boolean => (~mask & (~mask + 1)) === 0;

/** Decisions, equal ones of which are one object. */
export class Decisions {
  readonly #all = new Map<string, Decision>();

  #once<T extends Decision>(key: string, make: (id: number) => T): T {
    const one = this.#all.get(key) ?? make(this.#all.size);
    this.#all.set(key, one);
    return one as T;
  }

  end(action: number): End {
    return this.#once(`${action}`, (id) => ({ id, action }));
  }

  choice(offset: number, mask: number, given: readonly Piece[]): Decision {
    const pieces: Piece[] = [];
    for (const piece of given) if (piece.from <= mask && pieces.at(-1)?.to !== piece.to) pieces.push(piece);
    const [zero, other, more] = pieces;
    if (zero === undefined) throw new FilterError("a choice of nothing");
    if (other === undefined) return zero.to;
    // "None of these bits, and none of those": none of both.
    const next = zero.to;
    if (other.from === 1 && more === undefined && !isEnd(next) && next.offset === offset) {
      const [both, any, rest] = next.pieces;
      if (both !== undefined && any?.from === 1 && any.to === other.to && rest === undefined)
        return this.choice(offset, (mask | next.mask) >>> 0, next.pieces);
    }
    const key = `${offset} ${mask} ${pieces.map(({ from, to }) => `${from}:${to.id}`).join(" ")}`;
    return this.#once(key, (id) => ({ id, offset, mask, pieces }));
  }

  /** `yes` for the values from `first` to `last`, otherwise `no`. */
  #range(
    offset: number,
    mask: number,
    [first, last]: readonly [number, number],
    yes: Decision,
    no: Decision,
  ) {
    const pieces: Piece[] = [{ from: 0, to: first === 0 ? yes : no }];
    if (first > 0) pieces.push({ from: first, to: yes });
    if (last < ALL) pieces.push({ from: last + 1, to: no });
    return this.choice(offset, mask, pieces);
  }

  #jump(code: number, value: number, { offset, mask }: Word, yes: Decision, no: Decision): Decision {
    if (code === BPF.anyBit) return this.#range(offset, (mask & value) >>> 0, [0, 0], no, yes);
    if (code === BPF.equal) {
      if ((value & ~mask) !== 0) return no;
      if (isOfHighBits(mask)) return this.#range(offset, ALL, [value, (value | ~mask) >>> 0], yes, no);
      const isOneBit = value === mask && (mask & (mask - 1)) === 0;
      return this.#range(offset, mask, isOneBit ? [1, ALL] : [value, value], yes, no);
    }
    if (mask !== ALL) throw new FilterError("a comparison of some bits by size");
    if (code === BPF.atLeast) return this.#range(offset, ALL, [value, ALL], yes, no);
    if (code !== BPF.greater) throw new FilterError(`an unknown instruction: ${code}`);
    return value === ALL ? no : this.#range(offset, ALL, [value + 1, ALL], yes, no);
  }

  /** Reads a compiled filter, an array of struct sock_filter. Throws FilterError. */
  read(words: Uint32Array): Decision {
    const done = new Map<string, Decision>();
    const at = (index: number, word: Word): Decision => {
      const key = `${index} ${word.offset} ${word.mask}`;
      const decision = done.get(key) ?? next(index, word);
      done.set(key, decision);
      return decision;
    };
    const next = (index: number, word: Word): Decision => {
      const first = words[2 * index];
      const value = words[2 * index + 1];
      if (first === undefined || value === undefined) throw new FilterError("a filter without an end");
      const code = first & 0xffff;
      if (code === BPF.return) return this.end(value);
      if (code === BPF.jump) return at(index + 1 + value, word);
      if (code === BPF.load) return at(index + 1, { offset: value, mask: ALL });
      if (code === BPF.and) return at(index + 1, { offset: word.offset, mask: (word.mask & value) >>> 0 });
      const yes = at(index + 1 + ((first >>> 16) & 0xff), word);
      const no = at(index + 1 + (first >>> 24), word);
      return this.#jump(code, value, word, yes, no);
    };
    return at(0, { offset: 0, mask: 0 });
  }

  /** What is left of a decision where something is known. */
  #assume(decision: Decision, known: Known, done: Map<Decision, Decision>): Decision {
    if (isEnd(decision)) return decision;
    const before = done.get(decision);
    if (before !== undefined) return before;
    const { offset, mask, pieces } = decision;
    const isDecided = offset === known.offset && (mask === known.mask || known.isWhole);
    const left = isDecided
      ? this.#assume(pieceOf(pieces, known.isWhole ? (known.value & mask) >>> 0 : known.value), known, done)
      : this.choice(
          offset,
          mask,
          pieces.map(({ from, to }) => ({ from, to: this.#assume(to, known, done) })),
        );
    done.set(decision, left);
    return left;
  }

  /**
   * What a kernel does that asks all of these filters, which were installed in this order: of their ends, the strictest
   * counts, and of several errors that of the last filter.
   */
  together(filters: readonly Decision[]): Decision {
    const done = new Map<string, Decision>();
    const of = (all: readonly Decision[]): Decision => {
      const key = all.map(({ id }) => id).join(" ");
      const decision = done.get(key) ?? join(all);
      done.set(key, decision);
      return decision;
    };
    const join = (all: readonly Decision[]): Decision => {
      const kill = all.find((one) => isEnd(one) && one.action === KILL_PROCESS);
      const choice = all.find((one) => !isEnd(one)) as Choice | undefined;
      if (kill !== undefined) return kill;
      if (choice === undefined) return strictestOf(all.filter(isEnd));
      const { offset, mask } = choice;
      const starts = startsOf(all, offset, mask);
      const pieces = starts.map((from, i) => {
        const isWhole = mask === ALL && (starts[i + 1] ?? ALL + 1) === from + 1;
        const known = { offset, mask, value: from, isWhole };
        const memory = new Map<Decision, Decision>();
        return { from, to: of(all.map((one) => this.#assume(one, known, memory))) };
      });
      return this.choice(offset, mask, pieces);
    };
    return of(filters);
  }
}
