"""`mx.mod`: symbols that are trained and predict, with data from iterators."""

from symgluon.module.base import BaseModule
from symgluon.module.bucketing import BucketingModule
from symgluon.module.module import Module

__all__ = ["BaseModule", "BucketingModule", "Module"]
