// Who holds what, as a figure.

import { memo, useMemo } from "hono/jsx/dom";
import type { Waiting } from "../../src/contract/feed.ts";
import type { Claim, Hold, Member } from "../state.ts";
import { Figure } from "./figure.tsx";
import { holdersOf, summaryOfHoldings } from "./holders.ts";
import { HoldingsPicture } from "./holdingsPicture.tsx";
import { HoldingsTable } from "./holdingsTable.tsx";

type HoldingsProps = {
  services: ReadonlyMap<string, Claim>;
  locks: ReadonlyMap<string, Hold>;
  agents: ReadonlyMap<string, Member>;
  waiting: readonly Waiting[];
};

export const Holdings = memo<HoldingsProps>(({ services, locks, agents, waiting }) => {
  const holders = useMemo(
    () => holdersOf({ services, locks, agents, waiting }),
    [services, locks, agents, waiting],
  );
  return (
    <Figure
      name="holdings"
      title="Who holds what"
      summary={summaryOfHoldings(holders, { services, agents })}
      picture={
        holders.length === 0 ? (
          <p class="nothing">
            Here stand the agents beside the services and locks that they hold, and whoever waits
            for a lock.
          </p>
        ) : (
          <HoldingsPicture holders={holders} />
        )
      }
      table={<HoldingsTable holders={holders} />}
    />
  );
});
