# SRGAN for the comparison, first part; the same schedule and faces as fcg_gan_mse_x4.
_base_ = 'fcg_gan_mse_x4.py'

model = dict(rain_removal=None, face_parser=None, rain_loss=None, parsing_loss=None)
