import { electionSuite } from '../../contracts/election.ts'
import { type FakeElection, FakeElections } from '../../world/fake-election.ts'

electionSuite('the fake election', async () => {
  const elections = new FakeElections()
  return {
    stand: async name => elections.stand(name),
    kill: async election => (election as FakeElection).expire(),
    [Symbol.asyncDispose]: async () => {}
  }
})
