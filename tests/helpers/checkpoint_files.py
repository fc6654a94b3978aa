"""What is in a checkpoint, and one that is wrong in content under a checksum that is right."""

import hashlib
import json

import safetensors.numpy


def content(path):
    """Header object and arrays, without looking at any checksum."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    head = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["nbt"])
    return head, safetensors.numpy.load(data)


def forge(path, head, tensors):
    """A file that is wrong in content, with a checksum that is right."""
    head = {**head, "sha256": "0" * 64}
    data = safetensors.numpy.save(tensors, {"nbt": json.dumps(head)})
    path.write_bytes(data.replace(b"0" * 64, hashlib.sha256(data).hexdigest().encode(), 1))
