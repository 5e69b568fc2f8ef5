"""The only wrapper: a segmentor, its teacher and the slots of a method."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from mmengine.model import BaseModel
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmciss.models.classifiers.export import plain_layers, plain_state_dict
from mmciss.models.classifiers.grow import build_grown_segmentor, growing_heads
from mmciss.models.classifiers.growable import growable_layers
from mmciss.models.freezing import apply_modes, freeze
from mmciss.models.initializers.auxiliary_initializer import check_auxiliary
from mmciss.models.labelers.labeling import LabelBatch
from mmciss.models.outputs import SegOutput
from mmciss.models.pixel_weights import install_pixel_weights
from mmciss.models.previous import load_plain_checkpoint, load_previous_step
from mmciss.models.readout import Readout, auxiliary_appended, feature_channels, main_classifier, run_segmentor
from mmciss.models.slots import build_losses, check_needs, collect_needs
from mmciss.models.teacher import Teacher
from mmciss.protocols.step import Step
from mmciss.registry import INITIALIZERS, LABELERS, STRUCTURES
from mmciss.utils.patched import patched


@MODELS.register_module()
class IncrementalSegmentor(BaseModel):
    """Trains an unmodified MMSegmentation segmentor at one step of a protocol.

    Args:
        segmentor: Config of the plain segmentor, with as many classes as the step knows.
        step: The step, or the dictionary of its fields.
        losses: Extra losses by name; each adds ``loss_<name>`` to the log.
        labeler: Config of the labeler that completes the labels, or None.
        initializer: Config of the initializer of the new classes' rows, or None for random rows.
        freeze: Arguments of :func:`mmciss.models.freezing.freeze`, or None.
        classifier: Further arguments of the growable classifier, for example ``dict(auxiliary=1)``.
        structure: Config of the layers that the method adds, see :mod:`mmciss.models.structures`, or None.
        decision: Config of the decision, see :mod:`mmciss.models.decisions`.
        previous: Paths ``model`` and ``state`` that the step before left, or None.
        checkpoint: A plain MMSegmentation checkpoint that the base step starts from, or None.
        data_preprocessor: Config of the data preprocessor.
    """

    def __init__(
        self,
        segmentor: dict,
        step: Step | dict,
        losses: dict | None = None,
        labeler: dict | None = None,
        initializer: dict | None = None,
        freeze: dict | None = None,
        classifier: dict | None = None,
        structure: dict | None = None,
        decision: dict | None = None,
        previous: dict | None = None,
        checkpoint: str | None = None,
        data_preprocessor: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor)
        self.step = step if isinstance(step, Step) else Step.from_dict(step)
        self.classifier_options = dict(classifier or {})
        self.segmentor = build_grown_segmentor(
            segmentor, self.step.sizes, self.classifier_options, self.step.num_future
        )
        self.structure = None if structure is None else STRUCTURES.build(structure)
        if self.structure is not None:
            self.structure(self.segmentor, self.step)
        self.losses = build_losses(losses)
        self.labeler = None if labeler is None else LABELERS.build(labeler)
        self.initializer = None if initializer is None else INITIALIZERS.build(initializer)
        self.decision = None if decision is None else MODELS.build(decision)
        if self.decision is not None:
            check_needs(self.segmentor, self.decision, 'method.decision')
        self.previous = previous
        self.checkpoint = checkpoint
        self.statistics: dict[str, Any] = {}
        self._check_initializer()
        self.layers, self.needs_teacher = collect_needs(self.segmentor, self.losses, self.labeler, self.step)
        self._set_channels()
        self._freeze = dict(freeze or {})
        self._set_step()
        self.frozen = self._apply_freeze()
        self._pixel_weights = install_pixel_weights(growing_heads(self.segmentor).values()) if self.labeler else []
        self.set_teacher(None)

    def _set_channels(self) -> None:
        for name, loss in self.losses.items():
            if hasattr(loss, 'set_channels'):
                loss.set_channels(feature_channels(self.segmentor, loss.layers, f'method.losses.{name}.channels'))

    def _set_step(self) -> None:
        for module in self.modules():
            if module is not self and hasattr(module, 'set_step'):
                module.set_step(self.step)

    def _check_initializer(self) -> None:
        if self.initializer is not None and not self.step.is_base and self.step.num_new:
            classifiers = growable_layers(self.segmentor)
            for classifier in classifiers.values():
                self.initializer.check(classifier, self.step)
            check_auxiliary(self.initializer, classifiers)

    def _apply_freeze(self) -> list[str]:
        # Before DistributedDataParallel wraps the model: it only registers what requires a gradient then.
        return freeze(self.segmentor, **self._freeze) if self._freeze else []

    @property
    def teacher(self) -> Teacher | None:
        """The model of the step before, or None."""
        return self._teacher

    def set_teacher(self, teacher: Teacher | None) -> None:
        """Attaches the teacher, outside the module tree."""
        object.__setattr__(self, '_teacher', teacher)

    def init_weights(self) -> None:
        """Loads what the step starts from; called by the runner after the teacher's passes over the data."""
        if self.previous is None:
            with plain_layers(self.segmentor):
                if self.structure is None:
                    self.segmentor.init_weights()
                else:
                    self.structure.initialise(self.segmentor, self.segmentor.init_weights)
            if self.checkpoint is not None:
                load_plain_checkpoint(self.segmentor, self.checkpoint, key='load_from')
            return
        load_previous_step(self, self.previous)

    def train(self, mode: bool = True) -> IncrementalSegmentor:
        """Sets the mode and applies the norm and dropout policy of ``freeze`` again."""
        super().train(mode)
        if mode and getattr(self, '_freeze', None):
            apply_modes(self.segmentor, **self._freeze)
        return self

    def forward(self, inputs: Tensor, data_samples: list | None = None, mode: str = 'tensor') -> Any:
        """Same contract as :meth:`mmseg.models.segmentors.BaseSegmentor.forward`."""
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        return run_segmentor(self.segmentor, inputs)

    def loss(self, inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
        """Computes the main losses of the segmentor and the extra losses.

        Args:
            inputs: Images ``(N, 3, H, W)``.
            data_samples: MMSegmentation's samples with ``gt_sem_seg``.
        """
        teacher = self.teacher(inputs, self.layers) if self.needs_teacher else None
        target, data_samples = self._labels(inputs, data_samples, teacher)
        trunk = nullcontext() if teacher is None else self.teacher.student_pass()
        with trunk, Readout(self.segmentor, self.layers, losses_too=True) as readout:
            losses = self.segmentor.loss(inputs, data_samples)
        if self.losses:
            student = readout.output()
            for name, loss in self.losses.items():
                losses[f'loss_{name}'] = self._extra_loss(loss, student, teacher, target)
        return losses

    def _extra_loss(
        self, loss: nn.Module, student: SegOutput, teacher: SegOutput | None, target: Tensor | None
    ) -> Tensor:
        value = loss(student, teacher, target, self.step)
        if student.refined is not None and set(getattr(loss, 'needs', ())) <= {'logits'}:
            value = value + loss(student.refined, teacher and teacher.refined, target, self.step)
        return value

    def _labels(self, inputs: Tensor, data_samples: list, teacher: Any) -> tuple[Tensor | None, list]:
        if self.labeler is None and not self.losses:
            return None, data_samples
        target = torch.stack([sample.gt_sem_seg.data for sample in data_samples]).squeeze(1)
        if self.labeler is None:
            return target, data_samples
        labels = self.labeler(target, teacher, self.step, LabelBatch(inputs, data_samples, self.statistics))
        for sampler in self._pixel_weights:
            sampler.weights = None if labels.weights is None else labels.weights.expand_as(labels.target)
        relabelled = []
        for sample, label in zip(data_samples, labels.target):
            sample = copy.copy(sample)
            sample.gt_sem_seg = type(sample.gt_sem_seg)(data=label[None])
            relabelled.append(sample)
        return labels.target, relabelled

    def predict(self, inputs: Tensor, data_samples: list | None = None) -> list:
        """Predicts, with the method's own decision where it has one."""
        if self.decision is None:
            return self.segmentor.predict(inputs, data_samples)
        postprocess = self.segmentor.postprocess_result
        classes = self.step.num_seen

        def decide(seg_logits: Tensor, samples: list | None = None) -> list:
            auxiliary = seg_logits[:, classes:] if seg_logits.shape[1] > classes else None
            return postprocess(self.decision(seg_logits[:, :classes], auxiliary), samples)

        more = auxiliary_appended(self.segmentor) if self.decision.needs_auxiliary else nullcontext()
        with more, patched(self.segmentor, 'postprocess_result', decide):
            return self.segmentor.predict(inputs, data_samples)

    def method_state(self) -> dict[str, dict[str, Tensor]]:
        """Returns what the next step needs beside the plain model.

        That are buffers of losses and labeler, rows of classifiers that the plain model does not have or that the
        decision changes in it, and layers that the structure adds.
        """
        state = {'losses': self.losses.state_dict()}
        if isinstance(self.labeler, nn.Module):
            state['labeler'] = self.labeler.state_dict()
        kept = ['.auxiliary.', '.future.']
        if self.decision is not None and self.decision.replaces_rows:
            name, classifier = main_classifier(self.segmentor)
            kept.append(f'{name}.{classifier.background_prefix}')
        if self.structure is not None:
            kept += self.structure.kept
        state['auxiliary'] = {
            name: tensor for name, tensor in self.segmentor.state_dict().items() if any(part in name for part in kept)
        }
        return state

    def network_weights(self) -> dict[str, Tensor]:
        """Returns the weights under plain names, without what the structure adds and before the decision's changes."""
        weights = plain_state_dict(self.segmentor)
        if self.structure is not None:
            self.structure.export(self.segmentor, weights)
        return weights

    def plain_weights(self) -> dict[str, Tensor]:
        """Returns the weights for plain MMSegmentation, whose argmax shall come close to the method's decision."""
        weights = self.network_weights()
        if self.decision is not None and 'classifier' in self.decision.needs:
            name, classifier = main_classifier(self.segmentor)
            prefix = f'{name}.' if classifier.linear else f'{name}.{classifier.background_prefix}'
            rows = {key.removeprefix(prefix): tensor for key, tensor in weights.items() if key.startswith(prefix)}
            self.decision.export(rows, classifier.auxiliary)
            weights.update({f'{prefix}{key}': tensor for key, tensor in rows.items()})
        return weights

    @property
    def source(self) -> Path | None:
        """The checkpoint that the step starts from."""
        return None if self.previous is None else Path(self.previous['model'])
