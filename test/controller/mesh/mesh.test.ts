import { meshSuite } from '../../contracts/mesh.ts'
import { RealMeshRig } from '../../world/real-mesh.ts'

meshSuite('the real mesh', async () => new RealMeshRig())
