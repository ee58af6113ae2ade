"""What methods share and what has state: heads, teachers, queues, prototypes, masks, gathering."""

from unlabeled.parts.centring import Centre
from unlabeled.parts.encoder import Encoded, Encoder
from unlabeled.parts.gather import gather, processes, share
from unlabeled.parts.heads import mlp
from unlabeled.parts.joint import joint
from unlabeled.parts.masks import Mask, RandomMask
from unlabeled.parts.norm import GlobalBatchNorm, globalise
from unlabeled.parts.prototypes import Assigning, PrototypeHead, Prototypes
from unlabeled.parts.queue import Queue
from unlabeled.parts.schedules import Clock, Cosine, Linear, WarmupCosine
from unlabeled.parts.teacher import Teacher

__all__ = [
    "Assigning",
    "Centre",
    "Clock",
    "Cosine",
    "Encoded",
    "Encoder",
    "GlobalBatchNorm",
    "Linear",
    "Mask",
    "PrototypeHead",
    "Prototypes",
    "Queue",
    "RandomMask",
    "Teacher",
    "WarmupCosine",
    "gather",
    "globalise",
    "joint",
    "mlp",
    "processes",
    "share",
]
