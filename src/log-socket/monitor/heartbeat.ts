/** Checks that the relay is at work, but only while it has work. Times are milliseconds. */
export interface Heartbeat {
  /** There is a new relay, or there are other sockets. */
  restart(): void;
  /** Something arrived at a socket. */
  work(now: number): void;
  /** The relay has a connection. */
  connected(now: number): void;
  /** The relay answered a question, and reported its number of open connections. */
  answered(question: number, connections: number, now: number): void;
  /** Asks if a question is due. */
  ask(now: number): void;
  /** Whether an answer is overdue. */
  isOverdue(now: number): boolean;
  /** When to call `ask` or `isOverdue` again, or Infinity. */
  next(): number;
  /** There is no relay. */
  stop(): void;
}

interface HeartbeatActions {
  /** From now on, call `work` when something arrives at a socket, or has arrived already. */
  watch(): void;
  unwatch(): void;
  ask(question: number): void;
}

const NEVER = Number.POSITIVE_INFINITY;
/** From the first message to the question: the shortest time between two questions. */
export const ASK_AFTER = 1000;
/** How long an answer may take. */
export const ANSWER_WITHIN = 5000;
/** Only the relay sees what arrives through a connection, so while there is one, it is asked regularly. */
export const ASK_WITH_CONNECTIONS = 3000;

/**
 * Creates the heartbeat of a relay. While nothing arrives, nothing is asked and nobody wakes up. The first message at a
 * socket makes a question due, and its answer starts to watch the sockets again.
 */
export function createHeartbeat(actions: HeartbeatActions): Heartbeat {
  let askAt = NEVER;
  let answerBy = NEVER;
  let question = 0;

  function listen(): void {
    answerBy = NEVER;
    actions.unwatch();
    actions.watch();
  }

  function connected(now: number): void {
    askAt = Math.min(askAt, now + ASK_WITH_CONNECTIONS);
  }

  return {
    restart() {
      if (answerBy === NEVER) listen();
    },
    work(now) {
      actions.unwatch();
      askAt = Math.min(askAt, now + ASK_AFTER);
    },
    connected,
    answered(number, connections, now) {
      if (answerBy === NEVER || number !== question) return;
      listen();
      if (connections > 0) connected(now);
    },
    ask(now) {
      if (askAt > now || answerBy !== NEVER) return;
      askAt = NEVER;
      answerBy = now + ANSWER_WITHIN;
      question++;
      actions.unwatch();
      actions.ask(question);
    },
    isOverdue: (now) => answerBy <= now,
    next: () => (answerBy === NEVER ? askAt : answerBy),
    stop() {
      askAt = NEVER;
      answerBy = NEVER;
      actions.unwatch();
    },
  };
}

/** How often a relay ended soon after its start, and when the last one was started. */
export interface Restarts {
  startedAt: number;
  times: number;
}

const CALM = 60_000;
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 8000;

/**
 * Counts the end of a relay. Returns when to start the next one: at once, or later if several have ended in succession.
 * The pause stays short, since nothing is logged until then; messages wait in the sockets.
 */
export function noteEnd(restarts: Restarts, now: number): number {
  restarts.times = now - restarts.startedAt > CALM ? 1 : restarts.times + 1;
  if (restarts.times === 1) return now;
  return now + Math.min(FIRST_PAUSE * 2 ** (restarts.times - 2), LONGEST_PAUSE);
}
