"""Many gateways from one desk, over the plant's MQTT broker: what each is to run, and what it says of that.

The broker keeps everything (retained), so nobody has to be there at the same time: a gateway that was away
for weeks reads what it is to run when it is back. The broker is not trusted: what a gateway obeys is signed,
what it fetches is hashed, and all is done as by hand: a bundle through its canary, a configuration checked.
"""
