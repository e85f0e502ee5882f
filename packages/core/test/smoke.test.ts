import test from 'node:test'
import assert from 'node:assert/strict'
import { nodeIdOf, signingKeyFromSeed, publicKeyOfNode, operatorIdOf, publicKeyOfOperator } from '@commonhold/core'
test('x', () => { const k = signingKeyFromSeed(new Uint8Array(32).fill(7)); assert.deepEqual(publicKeyOfNode(nodeIdOf(k.publicKey)), k.publicKey); assert.deepEqual(publicKeyOfOperator(operatorIdOf(k.publicKey)), k.publicKey); console.log(nodeIdOf(k.publicKey), operatorIdOf(k.publicKey)) })
