const NEVER = Number.POSITIVE_INFINITY;
/** From the first message to the question: the shortest time between two questions. */
export const ASK_AFTER = 1000;
/** How long an answer may take. */
export const ANSWER_WITHIN = 5000;
/** Only the relay sees what arrives through a connection, so while there is one, it is asked regularly. */
export const ASK_WITH_CONNECTIONS = 3000;

interface HeartbeatActions {
  /** Starts or ends calling `work` for every socket at which something arrives, or has arrived already. */
  watch(isWanted: boolean): void;
  ask(question: number): void;
}

/**
 * Checks that the relay is at work, but only while it has work: while nothing arrives, nothing is asked and nobody wakes
 * up. The first message at a socket makes a question due, and its answer starts to watch the sockets again. Times are
 * milliseconds.
 */
export class Heartbeat {
  private askAt = NEVER;
  private answerBy = NEVER;
  private question = 0;

  constructor(private readonly actions: HeartbeatActions) {}

  /** There is a new relay. */
  restart(): void {
    if (this.answerBy === NEVER) this.listen();
  }

  /** Something arrived at a socket. */
  work(now: number): void {
    this.actions.watch(false);
    this.askAt = Math.min(this.askAt, now + ASK_AFTER);
  }

  /** The relay has a connection. */
  connected(now: number): void {
    this.askAt = Math.min(this.askAt, now + ASK_WITH_CONNECTIONS);
  }

  /** The relay answered a question, and reported its number of open connections. */
  answered(question: number, connections: number, now: number): void {
    if (this.answerBy === NEVER || question !== this.question) return;
    this.listen();
    if (connections > 0) this.connected(now);
  }

  /** Asks if a question is due. */
  ask(now: number): void {
    if (this.askAt > now || this.answerBy !== NEVER) return;
    this.askAt = NEVER;
    this.answerBy = now + ANSWER_WITHIN;
    this.actions.watch(false);
    this.actions.ask(++this.question);
  }

  /** Whether an answer is overdue. */
  isOverdue(now: number): boolean {
    return this.answerBy <= now;
  }

  /** When to call `ask` or `isOverdue` again, or Infinity. */
  next(): number {
    return this.answerBy === NEVER ? this.askAt : this.answerBy;
  }

  /** There is no relay. */
  stop(): void {
    this.askAt = NEVER;
    this.answerBy = NEVER;
    this.actions.watch(false);
  }

  private listen(): void {
    this.answerBy = NEVER;
    this.actions.watch(true);
  }
}
