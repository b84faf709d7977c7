# The pre-trained modules keep their batch-norm statistics.
_base_ = '../fcg_gan_x4.py'

model = dict(freeze_bn=('rain_removal', 'face_parser'))
