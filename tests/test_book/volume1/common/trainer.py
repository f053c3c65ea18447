"""Trainer of volume 1: draws rows with replacement, asks for the gradient, then for the loss again, and prints it."""

import numpy as np


class Trainer:
    def __init__(self, network, x_train, t_train, x_test, t_test, optimizer, epochs=20, mini_batch_size=100):
        self.network, self.optimizer = network, optimizer
        self.train_data, self.test_data = (x_train, t_train), (x_test, t_test)
        self.batch_size = mini_batch_size
        self.per_epoch = max(len(x_train) // mini_batch_size, 1)
        self.steps = epochs * self.per_epoch
        self.train_loss_list, self.train_acc_list, self.test_acc_list = [], [], []

    def train(self):
        x, t = self.train_data
        for step in range(self.steps):
            rows = np.random.choice(len(x), self.batch_size)  # noqa: NPY002 -- as the book draws
            grads = self.network.gradient(x[rows], t[rows])
            self.optimizer.update(self.network.params, grads)
            loss = self.network.loss(x[rows], t[rows])
            self.train_loss_list.append(loss)
            if step % self.per_epoch == 0:
                self.train_acc_list.append(self.network.accuracy(*self.train_data))
                self.test_acc_list.append(self.network.accuracy(*self.test_data))
                print("train loss:" + str(loss))  # noqa: T201 -- as the book does: str(loss) has to work
